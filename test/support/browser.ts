import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import { onTestFinished } from 'vitest'
import { until } from './run.js'

/** Debian's name of it. */
const CHROMIUM = '/usr/bin/chromium'

/** A page of a browser, and everything in it that went wrong. */
export interface Watched {
  readonly page: Page
  /** Errors of scripts, what the page's policy has refused, and requests that failed. */
  readonly faults: string[]
}

/** Starts a browser without a window, which ends with `stop`. */
export async function startBrowser(): Promise<Browser> {
  // Its sandbox takes another user than root. It meets pages of the tests alone.
  return await puppeteer.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
}

/** Opens an address in a page that goes with the test. */
export async function openPage(browser: Browser, url: string): Promise<Watched> {
  const page = await browser.newPage()
  onTestFinished(() => page.close())
  await page.setViewport({ width: 1200, height: 900 })
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warn') faults.push(message.text())
  })
  await page.goto(url)
  return { page, faults }
}

/** What an expression gives in the page; the compiler knows nothing of browsers here. */
export async function read<Value>(page: Page, expression: string): Promise<Value> {
  return (await page.evaluate(expression)) as Value
}

/** Waits until an element of the page has a text. */
export async function untilText(page: Page, selector: string, wanted: RegExp): Promise<void> {
  const text = (): Promise<string> => read(page, `document.querySelector('${selector}')?.textContent ?? ''`)
  await until(`${selector} has ${wanted}`, async () => wanted.test(await text()), 15_000).catch(async (error: unknown) => {
    throw new Error(`${(error as Error).message}, but: ${(await text()).slice(0, 500)}`)
  })
}
