// The web page in a real browser, against real services: see docs/web.md for what it shows.

import { connect, type NatsConnection } from '@nats-io/transport-node'
import { DistributedTaskExecutor, PoolRegistry } from '@poolmesh/client'
import { definePool, type RunningPool } from '@poolmesh/worker'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch, open, violations, withoutBrowser } from './browser.ts'
import { deadLetter } from './letters.ts'
import { startWebSystem, type WebSystem } from './system.ts'

const HOSTILE =
  '<img src=x onerror="alert(1)"><script>alert(2)</script>"\'`$\u007balert(3)}\u202Etxt.exe\u0000'
const LONG = 'x'.repeat(100_000)
const WAIT = { timeout: 30_000 }

describe.skipIf(withoutBrowser() !== null)('the web page', () => {
  let system: WebSystem
  let browser: Browser
  let nc: NatsConnection
  let executor: DistributedTaskExecutor
  let pool: RunningPool
  let ids: Record<'good' | 'hostile' | 'fan', string>

  beforeAll(async () => {
    system = await startWebSystem()
    browser = await launch()
    nc = await connect({ servers: system.nats, maxReconnectAttempts: -1, reconnectTimeWait: 200 })
    executor = new DistributedTaskExecutor(nc)
    pool = await definePool({
      name: 'workers',
      capabilities: ['work', HOSTILE.replaceAll('\u0000', '')],
      region: HOSTILE.replaceAll('\u0000', ''),
      maxWorkers: 4,
      metadata: { [HOSTILE]: HOSTILE },
      handler: (task) => {
        if (task.payload['fail'] === true) throw new Error(`${HOSTILE}${LONG}`)
        return { [HOSTILE]: HOSTILE, long: LONG, html: '</pre><svg onload=alert(4)>' }
      },
    }).start({ nc })
    const submit = async (task: object): Promise<string> => {
      const handle = executor.submit({
        task_type: HOSTILE.slice(0, 100),
        required_capabilities: ['work'],
        payload: { a: HOSTILE },
        ...task,
      })
      await handle.result()
      return handle.taskId
    }
    ids = {
      good: await submit({}),
      hostile: await submit({ payload: { fail: true } }),
      fan: await submit({ fan_out: { pools: 'all', aggregation: 'all_success' } }),
    }
    await deadLetter(nc, 'letter', HOSTILE)
    const event = { event_id: 'e', at: new Date().toISOString(), pool: HOSTILE, previous_status: null }
    await nc.request('pool.recovered', JSON.stringify({ ...event, reason: HOSTILE }))
  })
  afterAll(async () => {
    await browser?.close()
    await pool?.stop()
    await executor?.[Symbol.asyncDispose]?.()
    await nc?.close()
    await system?.[Symbol.asyncDispose]()
  })

  const screens = (): [string, string][] => [
    ['/', 'All is well'],
    ['/pools', 'Pools'],
    ['/pools/workers', 'workers'],
    ['/tasks', 'Tasks'],
    [`/tasks/${ids.good}`, ids.good],
    [`/tasks/${ids.hostile}`, ids.hostile],
    [`/fanouts/${ids.fan}`, 'Fan-out'],
    ['/dead', 'Dead letters'],
    ['/dead/letter', 'letter'],
    ['/dead/nothing', 'nothing'],
    ['/alerts', 'Alerts'],
    ['/submit', 'Submit a task'],
    ['/alerts/nothing', 'There is nothing here'],
  ]

  test.each([
    ['light', 1280],
    ['light', 390],
    ['dark', 1280],
    ['dark', 390],
  ] as const)(
    'every screen in %s at %i px: no violation, no script of others, no scrolling aside',
    async (colorScheme, width) => {
      await using opened = await open(browser, { colorScheme, viewport: { width, height: 800 } })
      const { page, said } = opened
      for (const [path, heading] of screens()) {
        await page.goto(system.url + path)
        await page.getByRole('heading', { level: 1 }).filter({ hasText: heading }).waitFor(WAIT)
        await page
          .locator('[aria-busy="true"]')
          .first()
          .waitFor({ state: 'detached', ...WAIT })
        expect(await violations(page), path).toEqual([])
        expect(
          await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
          path,
        ).toBe(0)
      }
      expect(await page.locator('img[src="x"], svg[onload]').count()).toBe(0)
      expect(said).toEqual([])
    },
  )

  test('what is hostile is shown as text, with its unseen characters', async () => {
    await using opened = await open(browser, {})
    const { page, said } = opened
    for (const path of ['/alerts', '/dead', '/dead/letter', '/']) {
      await page.goto(system.url + path)
      await page.getByText('<img src=x').first().waitFor(WAIT)
    }
    await page.goto(`${system.url}/tasks/${ids.hostile}`)
    const error = page.getByRole('group', { name: 'Error' })
    await error.waitFor(WAIT)
    const text = (await error.textContent()) ?? ''
    expect(text).toContain('<img src=x onerror="alert(1)">')
    expect(text).toContain('[U+202E]')
    expect(text.length).toBeLessThan(5_000)
    await page.goto(`${system.url}/pools/${encodeURIComponent(HOSTILE)}`)
    await page.getByRole('alert').filter({ hasText: 'That did not work' }).waitFor(WAIT)
    expect(said).toEqual([])
  })

  test('a form checks by the rules of the gateway, previews, submits, and shows how the task ends', async () => {
    await using opened = await open(browser, {})
    const { page } = opened
    await page.goto(`${system.url}/submit`)
    await page.getByLabel('Priority').fill('101')
    await page.getByRole('button', { name: 'Submit' }).click()
    await page.getByText('Type is missing').waitFor(WAIT)
    await page.getByText('Priority must be 100 or less').waitFor(WAIT)
    await page.getByLabel('Priority').fill('7')
    await page.getByLabel('Type', { exact: true }).fill('greet')
    await page.getByLabel('Required capabilities').fill('work')
    await page.getByRole('button', { name: 'Where would it go?' }).click()
    await page.getByText('the best that fits').waitFor(WAIT)
    await page.getByRole('button', { name: 'Submit' }).click()
    await page.waitForURL(/\/tasks\/.+/, WAIT)
    await page.getByText('Completed').first().waitFor(WAIT)
  })

  test('where the rules come late, the gateway refuses, and then the form says what is wrong', async () => {
    await using opened = await open(browser, {})
    const { page } = opened
    const { promise: refused, resolve } = Promise.withResolvers<void>()
    await page.route('**/openapi.json', async (route) => {
      await refused
      await route.continue()
    })
    await page.goto(`${system.url}/submit`)
    const answered = page.waitForResponse((response) => response.request().method() === 'POST')
    await page.getByRole('button', { name: 'Submit' }).click()
    expect((await answered).status()).toBe(400)
    resolve()
    await page.getByText('Type is missing').waitFor(WAIT)
  })

  test('what happens is seen without a reload', async () => {
    await using opened = await open(browser, {})
    const { page } = opened
    await page.goto(`${system.url}/pools`)
    await page.getByText('1 in all').waitFor(WAIT)
    const registry = new PoolRegistry(nc)
    await registry.registerPool({ name: 'late', pool_type: 'nats', capabilities: ['x'], max_workers: 3 })
    await page.getByRole('link', { name: 'late' }).waitFor(WAIT)
    await registry.deregisterPool('late')
    await page.getByRole('link', { name: 'late' }).waitFor({ state: 'detached', ...WAIT })
    await page.getByRole('link', { name: 'Tasks', exact: true }).click()
    const { taskId } = executor.submit({ task_type: 'live', required_capabilities: ['work'], payload: {} })
    await page.getByRole('link', { name: taskId }).waitFor(WAIT)
  })

  test('the broker, then the gateway go away and come back: a banner says so, and goes by itself', async () => {
    await using opened = await open(browser, {})
    const { page } = opened
    await page.goto(system.url)
    await page.getByText('Live', { exact: true }).waitFor(WAIT)
    const banner = page.locator('.banner')
    await system.stopBroker()
    await banner.getByText('The NATS server is away').waitFor(WAIT)
    await system.startBroker()
    await banner.waitFor({ state: 'detached', ...WAIT })
    await system.stopGateway()
    await banner.getByText('The gateway does not answer').waitFor(WAIT)
    await system.startGateway()
    await banner.waitFor({ state: 'detached', ...WAIT })
    await page.getByRole('heading', { name: 'All is well' }).waitFor(WAIT)
  })

  test('ten thousand pools: a few rows in the document, found and scrolled at once', async () => {
    const registry = new PoolRegistry(nc)
    for (let from = 0; from < 10_000; from += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          registry.registerPool({
            name: `pool-${String(from + index).padStart(5, '0')}`,
            pool_type: 'nats',
            max_workers: 10,
          }),
        ),
      )
    await using opened = await open(browser, {})
    const { page } = opened
    await page.goto(`${system.url}/pools`)
    await page.getByText('10,001 in all').waitFor(WAIT)
    const rows = page.getByRole('row')
    expect(await rows.count()).toBeLessThan(100)
    const list = page.locator('.scroll')
    await list.evaluate((element) => element.scrollTo(0, element.scrollHeight))
    await page.getByRole('link', { name: 'workers' }).waitFor(WAIT)
    expect(await rows.count()).toBeLessThan(100)
    await page.getByLabel('Name').fill('pool-07777')
    await page.getByText('1 of 10,001').waitFor(WAIT)
    await page.getByRole('link', { name: 'pool-07777' }).waitFor(WAIT)
  })
})
