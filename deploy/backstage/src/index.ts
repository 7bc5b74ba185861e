export { SERVICE_ANNOTATION } from './TheodoraCard';
export { EntityTheodoraCard, theodoraPlugin } from './plugin';
