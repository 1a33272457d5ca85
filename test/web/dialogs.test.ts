// What the page asks back, in a real browser, with the keyboard alone: the token, and before something is lost for good.

import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch, open, violations, withoutBrowser } from './browser.ts'
import { deadLetter } from './letters.ts'
import { startWebSystem, type WebSystem } from './system.ts'

const TOKEN = 'a-secret-of-the-tests'
const WAIT = { timeout: 30_000 }

describe.skipIf(withoutBrowser() !== null)('dialogs of the web page', () => {
  let system: WebSystem
  let browser: Browser
  let nc: NatsConnection

  beforeAll(async () => {
    system = await startWebSystem({ POOLMESH_HTTP_TOKEN: TOKEN })
    browser = await launch()
    nc = await connect({ servers: system.nats })
    for (const id of ['first', 'second', 'third', 'fourth']) await deadLetter(nc, id)
  })
  afterAll(async () => {
    await browser?.close()
    await nc?.close()
    await system?.[Symbol.asyncDispose]()
  })

  const focused = (page: Page): Promise<string> =>
    page.evaluate('document.activeElement?.textContent || document.activeElement?.id || ""')
  const letter = (page: Page, id: string) => page.getByRole('link', { name: id, exact: true })

  async function signIn(page: Page, path: string): Promise<void> {
    await page.goto(system.url + path)
    await page.getByRole('dialog', { name: 'This gateway needs a token' }).waitFor(WAIT)
    await page.keyboard.type(TOKEN)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'detached', ...WAIT })
  }

  test('the token is asked for, a wrong one again, and the right one is kept for this tab alone', async () => {
    await using opened = await open(browser, { reducedMotion: 'reduce' })
    const { page, said } = opened
    await page.goto(`${system.url}/dead`)
    const dialog = page.getByRole('dialog', { name: 'This gateway needs a token' })
    await dialog.waitFor(WAIT)
    expect(await focused(page)).toBe('token')
    expect(await violations(page)).toEqual([])
    await page.keyboard.type('wrong')
    await page.keyboard.press('Enter')
    await dialog.getByText('The one that was given is not right.').waitFor(WAIT)
    await page.getByRole('textbox', { name: 'Token' }).fill(TOKEN)
    await page.keyboard.press('Enter')
    await letter(page, 'first').waitFor(WAIT)
    await page.getByText('Live', { exact: true }).waitFor(WAIT)
    await page.reload()
    await letter(page, 'first').waitFor(WAIT)
    expect(await page.evaluate('localStorage.length')).toBe(0)
    expect(page.url()).not.toContain(TOKEN)
    // Nothing moves by itself, so that nothing has to be stilled.
    expect(await page.evaluate('document.getAnimations().length')).toBe(0)
    expect(said).toEqual([])
    await using other = await open(browser, {})
    await other.page.goto(`${system.url}/dead`)
    await other.page.getByRole('dialog', { name: 'This gateway needs a token' }).waitFor(WAIT)
  })

  test('a dead letter is tried again, and removed after a question that holds the focus', async () => {
    await using opened = await open(browser, {})
    const { page } = opened
    await signIn(page, '/dead')
    await page.getByRole('button', { name: 'Retry first' }).press('Enter')
    await page.getByText(/Submitted again as /).waitFor(WAIT)
    await letter(page, 'first').waitFor({ state: 'detached', ...WAIT })

    await letter(page, 'second').press('Enter')
    const remove = page.getByRole('button', { name: 'Remove …' })
    await remove.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Remove this dead letter?' })
    await dialog.waitFor(WAIT)
    expect(await violations(page)).toEqual([])
    // What is safe has the focus first, and no key leads out of the dialog.
    expect(await focused(page)).toBe('Keep')
    for (const _ of [1, 2, 3]) {
      await page.keyboard.press('Tab')
      expect(await page.evaluate('document.activeElement.matches("body, dialog *")')).toBe(true)
    }
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'detached', ...WAIT })
    await expect.poll(() => focused(page)).toBe('Remove …')
    await page.keyboard.press('Enter')
    await dialog.getByRole('button', { name: 'Remove it' }).press('Enter')
    await page.waitForURL(/\/dead$/, WAIT)
    await letter(page, 'third').waitFor(WAIT)
    expect(await letter(page, 'second').count()).toBe(0)

    await page.getByRole('button', { name: 'Remove all …' }).press('Enter')
    const all = page.getByRole('dialog', { name: 'Remove all dead letters?' })
    await all.getByRole('button', { name: 'Keep' }).press('Enter')
    await all.waitFor({ state: 'detached', ...WAIT })
    await letter(page, 'third').waitFor(WAIT)
    await page.getByRole('button', { name: 'Remove all …' }).press('Enter')
    await all.getByRole('button', { name: 'Remove all' }).press('Enter')
    await page.getByText('2 removed.').waitFor(WAIT)
    await page.getByText('None. That is how it should be.').waitFor(WAIT)
  })

  test('every place is reached with the keyboard, and the first key leads past the navigation', async () => {
    await using opened = await open(browser, {})
    const { page } = opened
    await signIn(page, '/')
    await page.reload()
    await page.getByRole('heading', { level: 1 }).waitFor(WAIT)
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.getAttribute("href")')).toBe('#main')
    for (const place of ['Pools', 'Tasks', 'Dead letters', 'Alerts', 'Submit a task']) {
      const link = page.getByRole('navigation').getByRole('link', { name: place, exact: true })
      for (let keys = 0; keys < 30; keys++) {
        if (await link.evaluate((element) => element.matches(':focus'))) break
        await page.keyboard.press('Tab')
      }
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { level: 1, name: place }).waitFor(WAIT)
    }
  })
})
