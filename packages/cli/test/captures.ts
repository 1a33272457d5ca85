// `npm run captures`: starts a real mesh with pools and tasks, runs every command on a terminal of 100 and of 60 columns, and
// writes what each shows to docs/cli-captures.md.
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import { connectBus, freePort } from '@poolmesh/bus'
import { DistributedTaskExecutor, PoolRegistry } from '@poolmesh/client'
import { refusingPort, run, until } from '@poolmesh/testkit'
import { definePool, type TaskHandler } from '@poolmesh/worker'
import { shownBy } from './screen.ts'
import { environment, ROOT, watched } from './system.ts'

const PAGE = join(ROOT, 'docs', 'cli-captures.md')
const COLUMNS = [100, 60] as const
/** So long live commands are watched. */
const LIVE_MS = 3_000

const folder = await mkdtemp(join(tmpdir(), 'poolmesh-captures-'))
await using parts = new AsyncDisposableStack()
parts.defer(() => rm(folder, { recursive: true, force: true }))
const port = await freePort()
const NATS_URL = `nats://127.0.0.1:${port}`
const mesh = parts.use(
  run('main.ts', [], {
    POOLMESH_NATS_PORT: String(port),
    POOLMESH_HTTP_PORT: String(await freePort()),
    POOLMESH_DATA_DIR: join(folder, '.poolmesh'),
    POOLMESH_LOG_LEVEL: 'error',
  }),
)
await mesh.line(/^ready/)
const memory = parts.use(run('service.ts', ['memory'], { NATS_URL }))
await memory.line(/"msg":"ready"/)
const nc = await connectBus({ servers: NATS_URL, name: 'captures' })
parts.defer(() => nc.close())
const executor = new DistributedTaskExecutor(nc)
parts.defer(() => executor.close())
const registry = new PoolRegistry(nc)

const ESCAPES = '\u001b[2J\u001b[31mred\u001b]0;title\u0007 \u202eback\u202c'
const work: TaskHandler = async ({ payload }, { signal }) => {
  await sleep(Number(payload['ms'] ?? 20), undefined, { signal })
  if (payload['fail'] === true) throw new Error('the source answered with status 502')
  if (payload['escapes'] === true) throw new Error(`${ESCAPES}\nand a second line`)
  return { text: '结果：完成 ✅', pages: 12 }
}
const LONG = 'a-pool-whose-name-is-as-long-as-a-name-may-be_'.padEnd(64, '0123456789')
for (const [name, capabilities, region, maxWorkers] of [
  ['ocr-eu-west', ['ocr', 'image'], 'eu-west', 4],
  ['ocr-us-east', ['ocr', 'image'], 'us-east', 4],
  ['render-eu', ['render', 'gpu'], '欧洲-法兰克福', 2],
  ['crab', ['🦀', '图像识别', 'ocr'], '東京', 1_000],
  ['hostile', [`<b>${ESCAPES}`, 'x'.repeat(60)], `${ESCAPES}|region`, 1],
  [LONG, ['ocr'], 'eu-west', 1],
] as const) {
  const pool = definePool({ name, capabilities: [...capabilities], region, maxWorkers, handler: work })
  const started = await pool.start({ servers: NATS_URL })
  parts.defer(() => started.stop())
}
/** A task that took five pools with it. */
async function poison(): Promise<string> {
  for (let i = 0; i < 5; i++)
    await definePool({
      name: `victim-${i}`,
      capabilities: ['poison'],
      handler: async () => {
        await registry.deregisterPool(`victim-${i}`)
        return await new Promise(() => {})
      },
    }).start({ nc })
  const task = { task_type: 'deadly', payload: { n: 7 }, required_capabilities: ['poison'] }
  return (await executor.executeTask(task)).task_id
}
const receiver = createServer((request, response) => {
  request.resume().on('end', () => response.end('ok'))
})
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
parts.defer(() => void receiver.close())
const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
const nothing = parts.use(await refusingPort())

interface Step {
  /** What is typed. */
  line: string
  /** Keys, typed once it has shown the pattern. */
  keys?: { after: RegExp; typed: string }
  /** Ends by Ctrl-C, after so many milliseconds or once it has shown something. */
  stop?: number | RegExp
  env?: NodeJS.ProcessEnv
}

async function shown({ line, keys, stop, env = {} }: Step, columns: number): Promise<string> {
  const command = `stty rows 24 cols ${columns}; ${line}`
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: folder,
    env: environment({
      TERM: 'xterm-256color',
      NATS_URL,
      PATH: `${join(ROOT, 'node_modules', '.bin')}${delimiter}${process.env['PATH']}`,
      SHELL: '/bin/bash',
      ...env,
    }),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const running = watched(child)
  if (keys) {
    await running.shows(keys.after)
    child.stdin.write(keys.typed)
  }
  if (stop !== undefined) {
    if (typeof stop === 'number') await sleep(stop)
    else await running.shows(stop)
    child.stdin.write('\u0003')
  }
  const { code, stdout } = await running.ended
  const whole = /--json|--format (json|markdown)/.test(line)
  const text = await shownBy(stdout, columns, { whole })
  return code === 0 ? text : `${text.trimEnd()}\n(exit code ${code})\n`
}

const page: string[] = [
  '# What the command line shows',
  '',
  `What each command of [the command line](cli.md) shows on a terminal of ${COLUMNS.join(' and of ')} columns, without colours and what moves the`,
  'cursor. `npm run captures` writes this page from a running mesh: the two demonstration pools and six others, of which some have names and',
  'regions that are hard to show. JSON and Markdown, which are whole however wide the terminal is, are shown once.',
]
const heading = (text: string): void => void page.push('', `## ${text}`)
const say = (text: string): void => void page.push('', text)

const fence = (line: string, text: string): void => {
  const all = `$ ${line}\n${text}`.replaceAll(folder, '.').replaceAll(ROOT, '.')
  page.push('', '````text', all.trimEnd(), '````')
}

/** Ids, times and counts differ from run to run. */
const steady = (text: string): string =>
  text
    .replace(/pm_\w+/g, 'ID')
    .replace(/[\d.:]+/g, '0')
    .replace(/ +/g, ' ')

/** @param before what has to be so before each run */
async function capture(step: Step | string, before: () => unknown = () => {}): Promise<void> {
  const one: Step = typeof step === 'string' ? { line: step } : step
  process.stdout.write(`${one.line}\n`)
  let last = ''
  for (const columns of COLUMNS) {
    await before()
    const text = await shown(one, columns)
    if (steady(text) !== steady(last)) fence(one.line, text)
    last = text
  }
}
const inFormats = async (line: string): Promise<void> => {
  for (const format of ['', ' --format markdown', ' --format json']) await capture(line + format)
}
const submitted = async (task: object): Promise<string> => {
  const handle = executor.submit({ task_type: 'ocr.read', payload: {}, ...task })
  await handle.stored
  return handle.taskId
}
const ended = async (task: object): Promise<string> =>
  (await executor.executeTask({ task_type: 'ocr.read', payload: {}, ...task })).task_id

heading('Help and mistakes')
await capture('poolmesh --help')
await capture('poolmesh pools --help')
await capture('poolmesh pools list --help')
await capture('poolmesh pools lst')
await capture('poolmesh submit')
await capture('poolmesh submit x --priorty 3')
await capture('poolmesh submit x --payload \'{"text":\'')
await capture('poolmesh submit x --timeout 0 --priority 200')
await capture(`poolmesh pools list --server nats://127.0.0.1:${nothing.port}`)
await capture({ line: 'poolmesh pools list', env: { POOLMESH_NATS_PORT: 'many' } })

heading('Pools')
await inFormats('poolmesh pools list')
await capture('poolmesh pools list -c 图像识别')
await capture('poolmesh pools list --region nowhere')
await capture('poolmesh pools list --limit 2')
await capture('poolmesh pools get hostile')
await capture('poolmesh pools get crab --json')
await capture('poolmesh pools get 你好')
await capture('poolmesh pools get nobody')
await capture('poolmesh pools register 你好 --type nats --max-workers 0')
await capture(`poolmesh pools register ${'x'.repeat(70)} --type nats`)
await capture(
  'poolmesh pools register gpu-eu --type mahavishnu --endpoint http://127.0.0.1:9 -c gpu --region eu',
)
await inFormats('poolmesh pools health')
await capture('poolmesh pools health ocr-eu-west')
await capture('poolmesh pools health gpu-eu')
await capture({
  line: 'poolmesh pools deregister gpu-eu',
  keys: { after: /\[y\/N\]/, typed: 'n\n' },
})
await capture('poolmesh pools deregister gpu-eu --yes', () =>
  registry.registerPool({ name: 'gpu-eu', pool_type: 'nats', endpoint: null }),
)
await capture('poolmesh pools stats')
await capture('poolmesh pools stats --json')
await inFormats('poolmesh pools discover nats://services http://127.0.0.1:9')
await capture('poolmesh pools rebalance')
const scalable = ['renders', 'reports'] as const
const held: Msg[] = []
const letGo = async (): Promise<void> => {
  const answered = async () => {
    for (const work of held.splice(0)) work.respond('{"status":"completed"}')
    return (await executor.getExecutorStats()).active_tasks === 0
  }
  await until(answered, 'what is held to end')
}
for (const name of scalable)
  nc.subscribe(`pool.work.${name}`, { callback: (_, work) => void held.push(work) })
/** One that has more tasks than its worker takes, and one that has workers to spare. */
const uneven = async (): Promise<void> => {
  await letGo()
  for (const name of scalable)
    await registry.registerPool({
      name,
      pool_type: 'nats',
      capabilities: [name],
      max_workers: name === 'renders' ? 1 : 3,
      metadata: { scaling: { min_workers: 1, max_workers: 4 } },
    })
  for (let i = 0; i < 3; i++) await submitted({ required_capabilities: ['renders'], timeout: 600 })
  await until(
    async () => (await executor.getExecutorStats()).waiting.some(({ tasks }) => tasks === 2),
    '2 wait',
  )
}
await uneven()
await inFormats('poolmesh pools rebalance --dry-run')
await capture({ line: 'poolmesh pools rebalance', keys: { after: /\[y\/N\]/, typed: 'y\n' } }, uneven)
await letGo()
for (const name of scalable) await registry.deregisterPool(name)
const load = setInterval(() => {
  for (let i = 0; i < 2; i++) void submitted({ required_capabilities: ['ocr'], payload: { ms: 300 } })
}, 50)
await capture({ line: 'poolmesh pools watch', stop: LIVE_MS })
await capture({ line: 'poolmesh pools watch | cat', stop: 1_500 })
await capture({ line: 'poolmesh tasks tail', stop: 1_500 })
await capture({ line: 'poolmesh tasks tail --limit 3 --format markdown' })
await capture({ line: 'poolmesh tasks tail --limit 3 --format json' })
clearInterval(load)

heading('Tasks')
await capture('poolmesh submit text.words -c text --payload \'{"text":"to be or not to be","top":1}\'')
await capture('poolmesh submit ocr.read -c ocr --payload \'{"ms":5}\'')
await capture('poolmesh submit ocr.read -c ocr --json')
await capture('poolmesh submit ocr.read -c ocr --payload \'{"fail":true}\'')
await capture('poolmesh submit ocr.read -c ocr --payload \'{"escapes":true}\'')
await capture('poolmesh submit ocr.read -c ocr --no-wait')
await capture({ line: 'poolmesh submit train -c tpu', stop: /waits: / })
await capture('poolmesh submit train -c tpu --queue-timeout 1')
await capture('poolmesh pools execute ocr-eu-west ocr.read')
await capture('poolmesh pools execute nobody ocr.read')
await inFormats('poolmesh pools distribute ocr.read -c ocr')
await capture('poolmesh pools distribute ocr.read ocr-eu-west nobody --queue-timeout 1')
await capture({
  line: 'poolmesh pools distribute ocr.read -c ocr --payload \'{"ms":1500}\' --max-parallel 1',
})
const failed = await ended({ required_capabilities: ['ocr'], payload: { fail: true } })
const escaped = await ended({ required_capabilities: ['ocr'], payload: { escapes: true } })
const waiting = await submitted({ required_capabilities: ['tpu', 'ocr'] })
const running = await submitted({ required_capabilities: ['render'], payload: { ms: 600_000 } })
await until(async () => (await executor.getTaskStatus(running)).status === 'running')
await capture(`poolmesh status ${running}`)
await capture(`poolmesh status ${waiting}`)
await capture(`poolmesh status ${failed} --json`)
await capture('poolmesh status nobody')
await capture(`poolmesh result ${failed}`)
await capture(`poolmesh result ${escaped}`)
await capture(`poolmesh result ${waiting}`)
await inFormats(`poolmesh explain ${waiting}`)
await capture(`poolmesh explain ${running}`)
await capture('poolmesh explain --type ocr.read -c ocr --strategy region_aware --region eu-west')
await inFormats('poolmesh tasks list --limit 8')
await capture('poolmesh tasks list --status cancelled')
await capture(`poolmesh cancel ${waiting} --reason 'no such pool'`)
await capture(`poolmesh cancel ${running}`)

await inFormats("poolmesh memory search 'pages' --limit 2")
await capture('poolmesh memory search nothingofthatkind')

heading('A file of tasks')
const line = (n: number, more = ''): string =>
  `{"task_type":"text.words","required_capabilities":["text"],"payload":{"text":"line ${n}"}${more}}\n`
const write = async (name: string, lines: string[]): Promise<void> => {
  await rm(join(folder, `${name}.position`), { force: true })
  await writeFile(join(folder, name), lines.join(''))
}
await capture('poolmesh tasks submit --file tasks.ndjson', () =>
  write(
    'tasks.ndjson',
    Array.from({ length: 20_000 }, (_, n) => line(n)),
  ),
)
await capture('poolmesh tasks submit --file tasks.ndjson')
await capture('poolmesh tasks submit --file bad.ndjson', () =>
  write('bad.ndjson', [line(1), '{"task_type":\n', '[1]\n', line(4, ',"timeout":0'), line(5)]),
)
await capture({ line: 'poolmesh tasks submit --file large.ndjson', stop: / 1\d%/ }, () =>
  write(
    'large.ndjson',
    Array.from({ length: 200_000 }, (_, n) => line(n)),
  ),
)
await capture('poolmesh tasks submit --file none.ndjson')

heading('Dead letters')
await capture('poolmesh dead list')
const letters = [await poison(), await poison(), await poison()]
await inFormats('poolmesh dead list')
await capture(`poolmesh dead show ${letters[0]}`)
await capture(`poolmesh dead show ${letters[0]} --json`)
await capture('poolmesh dead retry nobody')
page.push('')
fence(`poolmesh dead retry ${letters[0]}`, await shown({ line: `poolmesh dead retry ${letters[0]}` }, 100))
fence(`poolmesh dead purge ${letters[1]}`, await shown({ line: `poolmesh dead purge ${letters[1]}` }, 100))
await capture('poolmesh dead purge')
await capture('poolmesh dead purge --all')

heading('Alerts, tools, settings, completion')
await capture('poolmesh alerts forward')
const flap = setInterval(() => {
  void registry.registerPool({ name: 'flapping', pool_type: 'nats' }).catch(() => {})
}, 500)
await capture({ line: `poolmesh alerts forward --to ${webhook} --window 1`, stop: LIVE_MS })
clearInterval(flap)
await capture('poolmesh mcp --help')
await inFormats('poolmesh config show')
await capture('poolmesh completion bash | head -5')

heading('What is wrong')
await inFormats('poolmesh doctor')
await capture(`poolmesh doctor --server nats://127.0.0.1:${nothing.port}`)
const jsm = await jetstreamManager(nc)
await jsm.streams.update('RESULTS', { max_msgs: 1_000_000 })
await jsm.streams.delete('DEAD')
await jsm.consumers.update('TASKS', 'intake', { max_deliver: 3 })
say('With a stream taken out, a limit on another and a consumer that was altered:')
await inFormats('poolmesh doctor')

await mkdir(folder, { recursive: true })
await writeFile(PAGE, `${page.join('\n')}\n`)
process.stdout.write(`${PAGE.slice(ROOT.length + 1)}\n`)
