/**
 * The card, with a real server behind what stands for Backstage's proxy. Variables name the server:
 * THEODORA_URL, THEODORA_APP_KEY.
 */

import { discoveryApiRef, fetchApiRef } from '@backstage/core-plugin-api';
import { EntityProvider } from '@backstage/plugin-catalog-react';
import { renderInTestApp, TestApiProvider } from '@backstage/test-utils';
import { cleanup, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import { EntityTheodoraCard } from './index';

declare const process: { env: Record<string, string> };

const PROXY = 'http://backstage.example/api/proxy';
const { THEODORA_URL, THEODORA_APP_KEY } = process.env;

afterEach(cleanup);

/** Sends requests below the proxy's endpoint to the server, with the key of app-config.yaml. */
function proxied(key = THEODORA_APP_KEY): typeof fetch {
  return async (input, init) => {
    const url = String(input);
    expect(url.startsWith(`${PROXY}/theodora/`)).toBe(true);
    // The signals of jsdom are none of Node's.
    const { signal: _, ...rest } = init ?? {};
    const headers = { Authorization: `Bearer ${key}` };
    return fetch(url.replace(`${PROXY}/theodora`, THEODORA_URL!), { ...rest, headers });
  };
}

async function show(annotations: Record<string, string>, key?: string) {
  const entity = {
    apiVersion: 'backstage.io/v1alpha1',
    kind: 'Component',
    metadata: { name: 'shop', annotations },
  };
  await renderInTestApp(
    <TestApiProvider
      apis={[
        [discoveryApiRef, { getBaseUrl: async () => PROXY }],
        [fetchApiRef, { fetch: proxied(key) }],
      ]}
    >
      <EntityProvider entity={entity}>
        <EntityTheodoraCard />
      </EntityProvider>
    </TestApiProvider>,
  );
}

async function value(title: string): Promise<string | null | undefined> {
  const head = await screen.findByText(title, undefined, { timeout: 20_000 });
  return head.nextElementSibling?.textContent;
}

test('the card shows the metrics of the entity', async () => {
  await show({});
  expect(await value('Deployments per day')).toBe('0.11');
  expect(await value('Change failure rate')).toBe('33.3 %');
  expect(await value('Failed deployment recovery, median')).toBe('1.0 h');
  expect(await value('Change lead time, median')).toBe('–');
  expect(screen.queryByText('shop, last 28 days in production')).not.toBeNull();
});

test('an annotation names the service', async () => {
  await show({ 'theodora/service': 'pay "1"' });
  expect(await value('Deployments per day')).toBe('0.04');
});

test('a refused request is shown with its reason', async () => {
  await show({}, 'f'.repeat(40));
  const shown = await screen.findAllByText(/Theodora answered 403/, undefined, { timeout: 20_000 });
  expect(shown.length).toBeGreaterThan(0);
});
