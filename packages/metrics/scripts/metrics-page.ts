// docs/metrics.md, its tables from the series that the code declares.
import { NAMED_POOLS, SERIES, type Series, type Teller } from '../src/index.ts'

const HEADINGS: Record<Teller, string> = {
  system: 'The system as a whole',
  every: 'Every process',
  registry: 'Registry',
  executor: 'Executor',
  distributor: 'Distributor',
  'health-monitor': 'Health monitor',
  memory: 'Memory',
  gateway: 'Gateway',
}

const NOTES: Partial<Record<Teller, string>> = {
  system:
    'Of the gateway: at its own `/metrics`, and at its `POOLMESH_METRICS_PORT`. The gateway asks all executors over the bus when it is scraped, so nothing is counted twice.',
  every:
    'Besides, each process has the series of `prom-client` about itself: `process_*` (CPU, memory, files) and `nodejs_*` (`nodejs_eventloop_lag_seconds`, garbage collection, heap).',
  executor:
    'Counts are those of one process since it started. What is by pool or lane, and `tasks_without_pool` and `dead_letters`, only the executor that dispatches tells.',
  'health-monitor': 'Each monitor watches all pools: with several, take the `max by (pool)`.',
  registry: 'Each registry knows all pools: with several, take the `max by (type)`.',
}

function table(group: Record<string, Series>): string {
  const rows = Object.entries(group).map(([name, { type, labels, help }]) => {
    const shown = [...labels, ...(type === 'histogram' ? ['le'] : [])]
      .map((label) => `\`${label}\``)
      .join(', ')
    return `| \`${name}\` | ${type} | ${shown} | ${help} |`
  })
  return ['| series | type | labels | what |', '|---|---|---|---|', ...rows].join('\n')
}

const section = ([teller, group]: [string, Record<string, Series>]): string => {
  const note = NOTES[teller as Teller]
  return `## ${HEADINGS[teller as Teller]}\n\n${note === undefined ? '' : `${note}\n\n`}${table(group)}`
}

export const metricsPage = (): string => `# Metrics

Generated from the code by \`npm run generate\`.

For Prometheus, in its text format. Two places have them:

- the gateway, at \`http://127.0.0.1:8080/metrics\`: [the system as a whole](#the-system-as-a-whole). Off loopback a scrape
  needs the token, as \`Authorization: Bearer\`.
- each service, at \`/metrics\` of \`POOLMESH_METRICS_PORT\`, once that is set: its own series. \`npm start\` and \`poolmesh-up\`
  have one address for all their services. It is on loopback unless \`POOLMESH_METRICS_HOST\` says otherwise, and asks for no token.

\`\`\`sh
POOLMESH_METRICS_PORT=9464 npm start
curl http://127.0.0.1:9464/metrics
\`\`\`

Nothing is counted for them but plain numbers: series are made when somebody looks, and where nobody does, nothing is loaded.
Each series of a service has the label \`service\` too. What could be without end is bounded: the first ${NAMED_POOLS} pools by name
and the first 50 types of task have series of their own; the rest is in the sums. What is not known is left out and is no zero.

[Be alerted](how-to/be-alerted.md) has the rules and the dashboard that come with poolmesh.

${Object.entries(SERIES).map(section).join('\n\n')}
`
