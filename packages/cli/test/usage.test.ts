// The command itself: help, mistakes, and nothing to talk to.
import { spawn } from 'node:child_process'
import { refusingPort, startTestServer } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { EXIT_MEANINGS } from '../src/exit-codes.ts'
import { environment, follow, ROOT, start } from './system.ts'

const COMMANDS = [
  ['submit'],
  ['status'],
  ['result'],
  ['cancel'],
  ['explain'],
  ['tasks', 'submit'],
  ['tasks', 'status'],
  ['tasks', 'result'],
  ['tasks', 'cancel'],
  ['tasks', 'explain'],
  ['tasks', 'list'],
  ['tasks', 'tail'],
  ['pools', 'list'],
  ['pools', 'get'],
  ['pools', 'register'],
  ['pools', 'deregister'],
  ['pools', 'execute'],
  ['pools', 'distribute'],
  ['pools', 'health'],
  ['pools', 'stats'],
  ['pools', 'watch'],
  ['memory', 'search'],
  ['doctor'],
  ['config', 'show'],
]

test('npx runs it from the root', async () => {
  const npx = spawn('npx', ['poolmesh', '--version'], { cwd: ROOT, env: environment({}) })
  expect(await follow(npx).ended).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' })
})

test('the help names every command and every exit code', async () => {
  const { code, stdout, stderr } = await start(['--help']).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const [name] of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  for (const [exitCode, meaning] of Object.entries(EXIT_MEANINGS))
    expect(stdout).toMatch(new RegExp(`^ {2}${exitCode} +${meaning.replaceAll('.', '\\.')}$`, 'm'))
})

test.each(COMMANDS)('the help of %s %s has its options and examples', async (...command) => {
  const { code, stdout } = await start([...command, '--help']).ended
  expect(code).toBe(0)
  expect(stdout).toContain('--json')
  expect(stdout).toMatch(new RegExp(`Examples:\n {2}\\$ poolmesh ${command.join(' ')}`))
})

test.each(['tasks', 'pools', 'dead'])('the help of %s has examples of what is below it', async (group) => {
  const { code, stdout } = await start([group, '--help']).ended
  expect(code).toBe(0)
  expect(stdout).toMatch(new RegExp(`Examples:\n( {2}\\$ poolmesh ${group} [a-z].*\n)+\n?$`))
})

test.each([
  [['sumbit', 'x'], /unknown command 'sumbit'\n\(Did you mean submit\?\)/],
  [['tasks', 'tial'], /unknown command 'tial'\n\(Did you mean tail\?\)/],
  [['pools', 'lst'], /unknown command 'lst'\n\(Did you mean list\?\)/],
  [['submit', 'x', '--priorty', '5'], /unknown option '--priorty'\n\(Did you mean --priority\?\)/],
  [['submit'], /missing required argument 'task_type'/],
  [
    ['submit', 'x', '--timeout', 'soon'],
    /'--timeout <seconds>' argument 'soon' is invalid\. It is not a number/,
  ],
  [['submit', 'x', '--strategy', 'best'], /argument 'best' is invalid\. Allowed choices are least_loaded, /],
  [['pools', 'list', '--format', 'xml'], /'xml' is invalid\. Allowed choices are table, json, markdown/],
  [['status', 'a', 'b'], /too many arguments/],
  [['pools'], /Usage: poolmesh pools/],
  [[], /Usage: poolmesh/],
])('%j is wrong usage', async (args, message) => {
  const { code, stdout, stderr } = await start(args).ended
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(message)
})

const everyCommand = [
  ['submit', 'x', '--no-wait'],
  ['submit', 'x'],
  ['status', 'x'],
  ['result', 'x'],
  ['cancel', 'x'],
  ['explain', 'x'],
  ['tasks', 'list'],
  ['tasks', 'tail'],
  ['pools', 'list'],
  ['pools', 'get', 'x'],
  ['pools', 'register', 'x', '--type', 'nats'],
  ['pools', 'deregister', 'x', '--yes'],
  ['pools', 'execute', 'x', 'y'],
  ['pools', 'distribute', 'x'],
  ['pools', 'health'],
  ['pools', 'stats'],
  ['pools', 'watch'],
]

test.each(everyCommand.map((args) => [args]))('%j where nothing runs: one line, and 3', async (args) => {
  await using nothing = await refusingPort()
  const POOLMESH_NATS_PORT = String(nothing.port)
  const { code, stdout, stderr } = await start(args, { env: { POOLMESH_NATS_PORT } }).ended
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  expect(stderr).toMatch(/^poolmesh: no server answers at [^\n]+\n$/)
  expect(stderr).toContain(`nats://127.0.0.1:${POOLMESH_NATS_PORT}, which the setting nats_port names`)
  expect(stderr).toContain('npm start')
})

test('--server comes before NATS_URL, and neither is shown with its password', async () => {
  await using nothing = await refusingPort()
  await using neither = await refusingPort()
  const [one, other] = [nothing.port, neither.port]
  const env = { NATS_URL: `nats://me:secret@127.0.0.1:${one}` }
  const byVariable = await start(['pools', 'list'], { env }).ended
  expect(byVariable.stderr).toContain(`nats://127.0.0.1:${one}, which NATS_URL names`)
  expect(byVariable.stderr).not.toContain('secret')
  const args = ['pools', 'list', '--format', 'json', '--server', `nats://127.0.0.1:${other}`]
  const byOption = await start(args, { env }).ended
  expect(byOption).toMatchObject({ code: 3, stdout: '' })
  const message = expect.stringContaining(`nats://127.0.0.1:${other}, which --server names`)
  expect(JSON.parse(byOption.stderr)).toEqual({ error: { code: 'UNAVAILABLE', message, issues: [] } })
})

test('an address that is none, and a wrong setting, are wrong input', async () => {
  const address = await start(['pools', 'list', '--server', 'no address']).ended
  expect(address).toMatchObject({ code: 2, stdout: '' })
  expect(address.stderr).toMatch(/no address, which --server names, is no address such as nats:/)
  const setting = await start(['pools', 'list'], { env: { POOLMESH_NATS_PORT: 'many' } }).ended
  expect(setting).toMatchObject({ code: 2, stdout: '' })
  expect(setting.stderr).toMatch(/POOLMESH_NATS_PORT is wrong.*\(INVALID_SETTING\)/)
})

test('a server without poolmesh is told from none, by every command', async () => {
  await using server = await startTestServer()
  const env = { NATS_URL: server.url }
  const outcomes = await Promise.all(everyCommand.map((args) => start(args, { env }).ended))
  for (const { code, stdout, stderr } of outcomes) {
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toMatch(/^poolmesh: [^\n]+npm start[^\n]+\(UNAVAILABLE\)$/m)
    expect(stderr).not.toContain('no server answers')
  }
})

test('a task that is stored while no executor runs waits, and says so', async () => {
  await using server = await startTestServer()
  await server.topology()
  const it = start(['submit', 'x', '--id', 'patient'], { env: { NATS_URL: server.url } })
  await it.says(/patient waits: .*the executor is not running/)
  it.child.kill('SIGINT')
  expect((await it.ended).code).toBe(130)
})

test('the token of the settings is used, and asked for where it is missing', async () => {
  await using server = await startTestServer({ extraConfig: 'authorization { token: "open-sesame" }' })
  const list = (env: NodeJS.ProcessEnv) => start(['pools', 'list'], { env }).ended
  const without = await list({ NATS_URL: server.url })
  expect(without.code).toBe(3)
  expect(without.stderr).toMatch(/no server answers .*[Aa]uth.*Set POOLMESH_NATS_TOKEN/)
  const inSettings = await list({ NATS_URL: server.url, POOLMESH_NATS_TOKEN: 'open-sesame' })
  expect(inSettings.stderr).toMatch(/the registry is not running/)
  const inAddress = await list({ NATS_URL: server.url.replace('://', '://open-sesame@') })
  expect(inAddress.stderr).toMatch(/the registry is not running/)
})
