/** The metrics of one service, as GET /api/v2/dora/metrics answers. */

interface Rate {
  value: number | null;
}

interface Distribution {
  p50: number | null;
}

export interface Metrics {
  deployment_frequency: { per_day: number | null };
  change_lead_time: Distribution;
  change_failure_rate: Rate;
  failed_deployment_recovery_time: Distribution;
  deployment_rework_rate: Rate;
}

export interface Answer {
  data: { id: string; attributes: { total: Metrics } }[];
}

export interface Row {
  title: string;
  value: string;
}

export const DAYS = 28;
const DAY_MS = 86_400_000;
const UNITS: [number, string][] = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];

/** The address of the metrics of a service in production, over the last days. */
export function metricsUrl(base: string, service: string, now: Date): string {
  const quoted = service.replace(/["\\]/g, '\\$&');
  const parameters = new URLSearchParams({
    from: new Date(now.getTime() - DAYS * DAY_MS).toISOString(),
    to: now.toISOString(),
    query: `is:production service:"${quoted}"`,
  });
  return `${base}/api/v2/dora/metrics?${parameters}`;
}

/** DORA's five metrics in words. */
export function rowsOf(answer: Answer): Row[] {
  const total = answer.data.find(each => each.id === 'total')?.attributes.total;
  if (!total) {
    return [];
  }
  return [
    { title: 'Deployments per day', value: figure(total.deployment_frequency.per_day) },
    { title: 'Change lead time, median', value: duration(total.change_lead_time.p50) },
    { title: 'Change failure rate', value: percent(total.change_failure_rate.value) },
    {
      title: 'Failed deployment recovery, median',
      value: duration(total.failed_deployment_recovery_time.p50),
    },
    { title: 'Deployment rework rate', value: percent(total.deployment_rework_rate.value) },
  ];
}

function figure(value: number | null): string {
  return value === null ? '–' : value.toFixed(value < 10 ? 2 : 0);
}

function percent(share: number | null): string {
  return share === null ? '–' : `${(share * 100).toFixed(1)} %`;
}

function duration(seconds: number | null): string {
  if (seconds === null) {
    return '–';
  }
  const [length, unit] = UNITS.find(each => seconds >= each[0]) ?? [1, 's'];
  return `${(seconds / length).toFixed(1)} ${unit}`;
}
