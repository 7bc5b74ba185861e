/** The plugin, for an app of the classic frontend system. */

import { createComponentExtension, createPlugin } from '@backstage/core-plugin-api';

export const theodoraPlugin = createPlugin({ id: 'theodora' });

export const EntityTheodoraCard = theodoraPlugin.provide(
  createComponentExtension({
    name: 'EntityTheodoraCard',
    component: { lazy: () => import('./TheodoraCard').then(module => module.TheodoraCard) },
  }),
);
