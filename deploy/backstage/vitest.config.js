import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.tsx'],
    testTimeout: 60_000,
    // Backstage's packages are modules that Node takes for scripts.
    server: { deps: { inline: [/@backstage/, /material-ui/, /@mui/] } },
    css: false,
  },
});
