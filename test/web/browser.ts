// A real Chromium, and what is asked of every page in it.
import { existsSync } from 'node:fs'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { missing } from '../outside/debian.ts'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const found = (): string | undefined => PLACES.find((place) => existsSync(place))

/** @returns why there is no browser, which is printed too; null: there is one */
export const withoutBrowser = (): string | null =>
  found() === undefined ? missing('the web page', ['chromium', '--version'], ['chromium']) : null

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: found()!, args: ['--no-sandbox', '--disable-dev-shm-usage'] })

/** A page, and everything that it said which no page of ours may say: errors, dialogs, refusals of its policy. */
export interface Watched extends AsyncDisposable {
  page: Page
  said: string[]
}

export async function open(browser: Browser, options: BrowserContextOptions): Promise<Watched> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const said: string[] = []
  page.on('pageerror', (error) => said.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    said.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) said.push(message.text())
  })
  return { page, said, [Symbol.asyncDispose]: () => context.close() }
}

/** What axe finds, in words: rule, and where. */
export async function violations(page: Page): Promise<string[]> {
  // Evaluated by the debugger: the policy of the page allows no script of ours either.
  await page.evaluate(axe.source)
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>
      }
    }
    const { violations } = await axe.run()
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    )
  })
}

/** When the first words were seen, in ms since the address was opened, by a browser that has nothing of the page yet. */
export async function firstPaint(browser: Browser, url: string): Promise<number> {
  await using opened = await open(browser, {})
  await opened.page.goto(url)
  await opened.page.getByRole('heading', { level: 1 }).waitFor()
  return await opened.page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
  )
}
