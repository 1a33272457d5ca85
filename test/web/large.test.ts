// What is large, and what happens to a tab: a thousand branches, fifty tries, a clock that is wrong, sleep, another token.

import { connect, type NatsConnection } from '@nats-io/transport-node'
import { DistributedTaskExecutor, PoolRegistry } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch, open, violations, withoutBrowser } from './browser.ts'
import { startWebSystem, type WebSystem } from './system.ts'

const WAIT = { timeout: 30_000 }
const BRANCHES = 1_000
const TRIES = 50
const HOUR_MS = 3_600_000
const TOKENS = ['the-first-token-of-all', 'another-token-after-it'] as const

describe.skipIf(withoutBrowser() !== null)('the web page, at its limits', () => {
  const env: Record<string, string> = {}
  let system: WebSystem
  let browser: Browser
  let nc: NatsConnection
  let executor: DistributedTaskExecutor
  let ids: Record<'fan' | 'tried', string>

  beforeAll(async () => {
    system = await startWebSystem(env)
    browser = await launch()
    nc = await connect({ servers: system.nats, maxReconnectAttempts: -1, reconnectTimeWait: 200 })
    executor = new DistributedTaskExecutor(nc)
    const registry = new PoolRegistry(nc)
    let [branches, tries] = [0, 0]
    // One subscriber that is a thousand pools, of which every tenth fails, and fifty that refuse what they are sent.
    nc.subscribe('pool.work.*', {
      callback: (_, message) => {
        const isBranch = message.subject.includes('branch')
        const refuses = !isBranch && ++tries < TRIES
        const answer = refuses
          ? { status: 'failed', error: 'full', metadata: { reason: 'POOL_REFUSED' } }
          : isBranch && ++branches % 10 === 0
            ? { status: 'failed', error: 'no' }
            : { status: 'completed', output: {} }
        message.respond(JSON.stringify(answer))
      },
    })
    const names = Array.from({ length: BRANCHES }, (_, i) => `branch-${String(i).padStart(4, '0')}`)
    const refusing = Array.from({ length: TRIES }, (_, i) => `refusing-${i}`)
    const register = async (name: string, capability: string): Promise<void> => {
      await registry.registerPool({ name, pool_type: 'nats', max_workers: 10, capabilities: [capability] })
    }
    await Promise.all(names.map((name) => register(name, 'large')))
    await Promise.all(refusing.map((name) => register(name, 'refuse')))
    const submit = (task: object) =>
      executor.submit({ task_type: 'large', payload: {}, queue_timeout: 600, ...task })
    const tried = submit({ required_capabilities: ['refuse'] })
    const fan = submit({ fan_out: { pools: names, aggregation: 'all_success', max_parallel: 100 } })
    ids = { fan: (await fan.result()).task_id, tried: (await tried.result()).task_id }
    expect(tries).toBe(TRIES)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await executor?.[Symbol.asyncDispose]?.()
    await nc?.close()
    await system?.[Symbol.asyncDispose]()
  })

  test.each([
    ['light', 1280],
    ['light', 390],
    ['dark', 1280],
    ['dark', 390],
  ] as const)('a thousand branches and fifty tries in %s at %i px', async (colorScheme, width) => {
    await using opened = await open(browser, { colorScheme, viewport: { width, height: 800 } })
    const { page, said } = opened
    await page.goto(`${system.url}/fanouts/${ids.fan}`)
    await page.getByText('1,000 in all').waitFor(WAIT)
    await page.getByText('900 completed, 100 failed').waitFor(WAIT)
    await page.getByRole('button', { name: 'More: 900 are left' }).click()
    await page.getByRole('button', { name: 'More: 400 are left' }).click()
    await page.getByRole('button', { name: 'More' }).waitFor({ state: 'detached', ...WAIT })
    expect(await page.getByRole('list', { name: 'Branches' }).getByRole('listitem').count()).toBe(BRANCHES)
    expect(await violations(page)).toEqual([])
    await page.goto(`${system.url}/tasks/${ids.tried}`)
    await page.getByText('Of many tries the last 20').waitFor(WAIT)
    const line = page.getByRole('list', { name: 'Time line' }).getByRole('listitem')
    expect(await line.filter({ hasText: 'POOL_REFUSED' }).count()).toBe(20)
    expect(await violations(page)).toEqual([])
    const aside = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
    expect(await page.evaluate(aside)).toBe(0)
    expect(said).toEqual([])
  })

  test.each([
    ['behind', -HOUR_MS],
    ['ahead', HOUR_MS],
  ])(
    'times are told by the clock of the gateway, where that of the browser is an hour %s',
    async (_, skew) => {
      await using opened = await open(browser, {})
      const { page } = opened
      await page.addInitScript(`{ const now = Date.now; Date.now = () => now() + ${skew} }`)
      const event = { event_id: `skew${skew}`, pool: 'branch-0000', reason: 'tried', previous_status: null }
      await nc.request('pool.recovered', JSON.stringify({ ...event, at: new Date().toISOString() }))
      await page.goto(`${system.url}/alerts`)
      await page
        .getByText(/^\d+ s ago$/)
        .first()
        .waitFor(WAIT)
    },
  )

  test('a tab that slept is up to date when it is shown again, also where the gateway was started anew meanwhile', async () => {
    await using opened = await open(browser, {})
    const { page } = opened
    await page.goto(`${system.url}/pools`)
    await page.getByText('1,050 in all').waitFor(WAIT)
    const session = await page.context().newCDPSession(page)
    const sleeping = (state: 'frozen' | 'active') => session.send('Page.setWebLifecycleState', { state })
    const registry = new PoolRegistry(nc)
    await sleeping('frozen')
    await registry.registerPool({ name: 'while-asleep', pool_type: 'nats' })
    await sleeping('active')
    await page.getByText('1,051 in all').waitFor(WAIT)
    await sleeping('frozen')
    await system.stopGateway()
    await registry.deregisterPool('while-asleep')
    await system.startGateway()
    await sleeping('active')
    await page.getByText('1,050 in all').waitFor(WAIT)
    await page.getByText('Live', { exact: true }).waitFor(WAIT)
  })

  test('how many pools are unavailable is a part of the name of their link', async () => {
    const registry = new PoolRegistry(nc)
    await registry.registerPool({ name: 'absent', pool_type: 'mahavishnu', endpoint: 'http://127.0.0.1:9' })
    await until(async () => {
      await nc.request('health.check', JSON.stringify({ name: 'absent' }), { timeout: 10_000 })
      return (await registry.getPoolStatus('absent')).health_status === 'unavailable'
    })
    await using opened = await open(browser, {})
    const { page } = opened
    await page.goto(system.url)
    await page.getByRole('link', { name: /^Pools ?[\d,]+ unavailable$/ }).waitFor(WAIT)
    expect(await violations(page)).toEqual([])
    await registry.deregisterPool('absent')
  })

  test('a token that is not taken any more is asked for anew, and the page goes on where it was', async () => {
    const restart = async (token: string): Promise<void> => {
      await system.stopGateway()
      env['POOLMESH_HTTP_TOKEN'] = token
      await system.startGateway()
    }
    await restart(TOKENS[0])
    await using opened = await open(browser, {})
    const { page } = opened
    const dialog = page.getByRole('dialog', { name: 'This gateway needs a token' })
    const give = async (token: string): Promise<void> => {
      await dialog.waitFor(WAIT)
      await page.getByRole('textbox', { name: 'Token' }).fill(token)
      await page.keyboard.press('Enter')
      await dialog.waitFor({ state: 'detached', ...WAIT })
    }
    await page.goto(`${system.url}/pools?q=branch-07`)
    await give(TOKENS[0])
    await page.getByText('100 of 1,050').waitFor(WAIT)
    await restart(TOKENS[1])
    await give(TOKENS[1])
    await page.getByText('Live', { exact: true }).waitFor(WAIT)
    await page.getByText('100 of 1,050').waitFor(WAIT)
    expect(page.url()).toContain('q=branch-07')
  })
})
