import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import { onTestFinished } from 'vitest'

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
export async function untilText(page: Page, selector: string, wanted: RegExp): Promise<string> {
  const last = { text: '' }
  const end = performance.now() + 15_000
  while (performance.now() < end) {
    last.text = await read<string>(page, `document.querySelector('${selector}')?.textContent ?? ''`)
    if (wanted.test(last.text)) return last.text
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${selector} does not have ${wanted}: ${last.text.slice(0, 500)}`)
}
