/** A card with the DORA metrics of an entity. */

import type { Entity } from '@backstage/catalog-model';
import { InfoCard, Progress, ResponseErrorPanel } from '@backstage/core-components';
import { discoveryApiRef, fetchApiRef, useApi } from '@backstage/core-plugin-api';
import { useEntity } from '@backstage/plugin-catalog-react';
import { useEffect, useState } from 'react';

import { type Answer, DAYS, metricsUrl, type Row, rowsOf } from './metrics';

/** The annotation of an entity whose service has another name. */
export const SERVICE_ANNOTATION = 'theodora/service';

export function serviceOf(entity: Entity): string {
  return entity.metadata.annotations?.[SERVICE_ANNOTATION] ?? entity.metadata.name;
}

type State = { rows: Row[] } | { error: Error } | undefined;

export function TheodoraCard() {
  const { entity } = useEntity();
  const discovery = useApi(discoveryApiRef);
  const { fetch } = useApi(fetchApiRef);
  const [state, setState] = useState<State>();
  const service = serviceOf(entity);

  useEffect(() => {
    const abort = new AbortController();
    const load = async () => {
      const proxy = await discovery.getBaseUrl('proxy');
      const url = metricsUrl(`${proxy}/theodora`, service, new Date());
      const answer = await fetch(url, { signal: abort.signal });
      if (!answer.ok) {
        throw new Error(`Theodora answered ${answer.status}: ${await answer.text()}`);
      }
      return rowsOf((await answer.json()) as Answer);
    };
    setState(undefined);
    load().then(
      rows => abort.signal.aborted || setState({ rows }),
      error => abort.signal.aborted || setState({ error }),
    );
    return () => abort.abort();
  }, [discovery, fetch, service]);

  return (
    <InfoCard title="DORA metrics" subheader={`${service}, last ${DAYS} days in production`}>
      {state === undefined && <Progress />}
      {state && 'error' in state && <ResponseErrorPanel error={state.error} />}
      {state && 'rows' in state && <Table rows={state.rows} />}
    </InfoCard>
  );
}

function Table({ rows }: { rows: Row[] }) {
  return (
    <table>
      <tbody>
        {rows.map(({ title, value }) => (
          <tr key={title}>
            <th scope="row" style={{ textAlign: 'left', paddingRight: 24, fontWeight: 'normal' }}>
              {title}
            </th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
