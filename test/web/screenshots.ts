// `npm run screenshots`: starts a real system with demonstration pools and tasks, writes docs/images/web-*.png, and
// prints how long the first paint took.
import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { DistributedTaskExecutor } from '@poolmesh/client'
import { definePool, type TaskHandler } from '@poolmesh/worker'
import { firstPaint, launch, open, withoutBrowser } from './browser.ts'
import { startWebSystem } from './system.ts'

const FOLDER = 'docs/images'
/** So long the demonstration runs before the first picture, so that the charts have something to show. */
const WARM_UP_MS = 45_000
const REGIONS = ['eu-north', 'eu-west', 'us-east', 'ap-south']
const POOLS: [string, string[], number][] = [
  ['etl', ['etl', 'csv', 'parquet'], 16],
  ['ocr', ['ocr', 'image'], 4],
  ['render', ['video', 'image', 'gpu'], 8],
  ['embeddings', ['embed', 'gpu', 'text'], 12],
  ['crawler', ['http', 'html'], 24],
  ['reports', ['pdf', 'text'], 6],
]

const any = <Item>(list: readonly Item[]): Item => list[Math.floor(Math.random() * list.length)]!

if (withoutBrowser() !== null) process.exit(1)
mkdirSync(FOLDER, { recursive: true })
await using system = await startWebSystem()
const nc = await connect({ servers: system.nats })
const handler: TaskHandler = async (task, { signal }) => {
  // One runs for as long as the pictures are taken: why it is where it is can be seen while it runs.
  await sleep(task.payload['slow'] === true ? 120_000 : 60 + Math.random() ** 3 * 1_500, null, { signal })
  if (Math.random() < 0.01) throw new Error('the source answered with status 502')
  return { rows: Math.floor(Math.random() * 10_000), checksum: Math.random().toString(16).slice(2) }
}
const pools = await Promise.all(
  POOLS.flatMap(([name, capabilities, maxWorkers]) =>
    REGIONS.map((region) =>
      definePool({ name: `${name}-${region}`, capabilities, region, maxWorkers, handler }).start({ nc }),
    ),
  ),
)
const executor = new DistributedTaskExecutor(nc)
const submit = (more: object = {}) => {
  const [kind, [capability = '']] = any(POOLS)
  return executor.submit({
    task_type: `${kind}.run`,
    required_capabilities: [capability],
    payload: { url: `https://example.com/${Math.random().toString(36).slice(2)}` },
    priority: any([2, 5, 5, 5, 20, 60]),
    max_attempts: 3,
    ...more,
  })
}
const load = setInterval(() => {
  for (let i = 0; i < 8; i++)
    void submit()
      .result()
      .catch(() => undefined)
}, 100)
await sleep(WARM_UP_MS)
const fan = submit({
  required_capabilities: [],
  fan_out: { pools: 'all', aggregation: 'majority', max_parallel: 24 },
})
const one = submit({ required_capabilities: ['gpu'], priority: 60, payload: { slow: true } })
const [{ taskId: fanId }, { taskId: oneId }] = [fan, one]
await fan.result()

const SCREENS: [string, string][] = [
  ['overview', '/'],
  ['pools', '/pools'],
  ['pool', '/pools/render-eu-north'],
  ['tasks', '/tasks'],
  ['task', `/tasks/${oneId}`],
  ['fan-out', `/fanouts/${fanId}`],
  ['submit', '/submit'],
]
const browser = await launch()
for (const [colorScheme, width, height] of [
  ['light', 1280, 800],
  ['dark', 1280, 800],
  ['light', 390, 844],
  ['dark', 390, 844],
] as const) {
  await using opened = await open(browser, {
    colorScheme,
    viewport: { width, height },
    reducedMotion: 'reduce',
  })
  for (const [name, path] of SCREENS) {
    await opened.page.goto(system.url + path)
    await opened.page.getByText('Live', { exact: true }).waitFor()
    await opened.page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' })
    // One more event of the overview, so that numbers are there.
    await sleep(1_500)
    const file = `${FOLDER}/web-${name}-${width}-${colorScheme}.png`
    await opened.page.screenshot({ path: file })
    process.stdout.write(`${file}\n`)
  }
}
const paints = []
for (let n = 0; n < 10; n++) paints.push(await firstPaint(browser, system.url))
const [least, most] = [Math.min(...paints), Math.max(...paints)].map(Math.round)
process.stdout.write(`first paint of the overview, ten times: ${least} to ${most} ms\n`)
clearInterval(load)
await browser.close()
await executor.cancelTask(oneId)
// Its timers would keep the process for ever.
await executor.close()
await Promise.all(pools.map((pool) => pool.stop()))
await nc.close()
