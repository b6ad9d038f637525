/** The site of the documentation, as `npm run docs:site` has built it, in a browser. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { serve } from 'vitepress'
import { sidebar } from '../../tools/site/sidebar.mjs'
import { until } from '../support/run.js'
import { openPage, read, startBrowser, untilText } from '../support/browser.js'

let browser: Browser
let server: Server
let url: string
beforeAll(async () => {
  browser = await startBrowser()
  const served = await serve({ root: 'tools/site', port: 0 })
  // It is one of node:http, as it was not given another.
  server = served.server as unknown as Server
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await browser.close()
  server.close()
})

/** Of each drawing how far its texts go beyond their places, in pixels. */
const OVERHANG = `[...document.querySelectorAll('.drawing')].map((drawing) =>
  Math.max(...[...drawing.querySelectorAll('foreignObject')].map((place) =>
    Math.max(0, ...[...place.children].map((text) => text.getBoundingClientRect().height - place.getBoundingClientRect().height)))))`

const pages = sidebar.flatMap(({ items }) => items).map(({ link }) => link)

it('opens each page without a fault, and draws what it has whole', async () => {
  let drawings = 0
  const { page, faults } = await openPage(browser, url)
  for (const link of pages) {
    await page.goto(url + link)
    await untilText(page, '.vp-doc h1', /\S/)
    await page.waitForFunction(`document.querySelector('.vp-doc pre:not([class]):not([v-pre])') === null`)
    const overhang = await read<number[]>(page, OVERHANG)
    expect({ link, faults, tooLarge: overhang.filter((pixels) => pixels > 1) }).toEqual({ link, faults: [], tooLarge: [] })
    drawings += overhang.length
  }
  expect(drawings).toBeGreaterThan(3)
})

/** Searches, and goes where the first find leads. */
async function find(page: Page, words: string): Promise<string> {
  // The button is there before it can be used.
  await until('the search is open', async () => {
    await page.click('.VPNavBarSearch button')
    return (await page.waitForSelector('#localsearch-input', { timeout: 1000 }).catch(() => null)) !== null
  })
  await page.type('#localsearch-input', words)
  await page.waitForSelector('.VPLocalSearchBox .result')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.VPLocalSearchBox', { hidden: true })
  return new URL(page.url()).pathname
}

it.each([
  ['ERR_NETPLANE_BUSY', /^\/docs\/errors/],
  ['drift', /^\/docs\//],
  ['masquerade', /^\/docs\//],
  ['startDrainer', /^\/(docs|api)\//]
])('finds %s', async (words, where) => {
  const { page, faults } = await openPage(browser, url)
  expect(await find(page, words)).toMatch(where)
  expect(faults).toEqual([])
})

it('leads from the list of an entry point to a name', async () => {
  const { page, faults } = await openPage(browser, `${url}/api/netplane/`)
  const link = await page.waitForSelector('.vp-doc a[href$="/interfaces/Plane.html"]')
  await link!.click()
  await untilText(page, '.vp-doc h1', /Plane/)
  expect(await read(page, `[...document.querySelectorAll('.vp-doc h3')].map((title) => title.textContent).join()`)).toMatch(/sync\(\)/)
  expect(faults).toEqual([])
})
