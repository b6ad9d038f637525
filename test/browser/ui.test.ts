/** The page of the example proxy, in a browser. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { answerFrom } from '../../examples/proxy/pages.js'
import { uiPages } from '../../examples/proxy/ui/pages.js'
import type { UiSources } from '../../examples/proxy/ui/state.js'
import { ValidationError, type PlaneCounters, type PlaneStatus, type Service } from '../../src/index.js'
import { makeFolder, manifest, PROXY } from '../support/manifests.js'
import { background } from '../support/background.js'
import { addressOf, ask, makeServingNetwork } from '../support/service-network.js'
import { openPage, read, startBrowser, untilText } from '../support/browser.js'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser.close())

/** The bars of the first service. */
const BARS = `[...document.querySelectorAll('#rows tr:first-child .track b')]`

const ENDPOINTS = [1, 2, 3, 4].map((host) => ({ address: `10.244.0.${host}`, port: 8080 }))
const service = (name: string, number: number): Service => ({
  name,
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: `10.96.${number >> 8}.${number & 255}`, port: 80 }],
  endpoints: ENDPOINTS
})

/** Serves the page of so many services, whose endpoints have been given 1, 2, 3 and 4 connections. */
async function servePage(services: ReadonlyMap<string, Service>, given: Partial<UiSources> = {}): Promise<{ url: string; server: Server }> {
  const status: PlaneStatus = { services: services.size, quarantined: [], drifts: 0, details: { mode: 'nftables', generation: 1 } }
  const endpoints = ENDPOINTS.map((endpoint, index) => ({ endpoint, connections: BigInt(index + 1) }))
  const counters = { get: (name: string) => ({ service: name, connections: 10n, endpoints }) } as unknown as PlaneCounters
  const pages = uiPages({
    nodeName: 'node-a',
    services: () => services,
    status: () => status,
    counters: () => Promise.resolve(counters),
    health: () => ({ isHealthy: true, body: { lagMs: 0 } }),
    syncs: () => [{ at: Date.now(), milliseconds: 12.5, written: 3, deleted: 1, quarantined: 0 }],
    ...given
  })
  const server = createServer((request, response) => void answerFrom(pages, request, response))
  onTestFinished(() => server.close().closeAllConnections())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ui`, server }
}

it('shows 10,000 services, a part at a time, and finds some', async () => {
  const names = Array.from({ length: 10_000 }, (_, number) => `shop/s${String(number).padStart(5, '0')}:http`)
  const { url } = await servePage(new Map(names.map((name, number) => [name, service(name, number)])))
  const { page, faults } = await openPage(browser, url)
  await untilText(page, '#services', /^10,000$/)
  await untilText(page, '#place', /^1–50 of 10,000$/)
  await untilText(page, '#last-sync', /^12\.5 ms at /)
  expect(await read(page, `document.querySelectorAll('#rows tr').length`)).toBe(50)
  const widths = await read<string[]>(page, `${BARS}.map((bar) => bar.style.width)`)
  expect(widths).toEqual(['25%', '50%', '75%', '100%'])
  // A style that the page's policy refused would leave them without a length.
  const drawn = await read<number[]>(page, `${BARS}.map((bar) => bar.getBoundingClientRect().width)`)
  expect(drawn[3]! / drawn[0]!).toBeCloseTo(4, 1)

  await page.click('#next')
  await untilText(page, '#place', /^51–100 of 10,000$/)
  await page.click('#previous')
  await untilText(page, '#place', /^1–50 /)
  await page.type('#find', 's09999')
  await untilText(page, '#place', /^1–1 of 1$/)
  await untilText(page, '#rows', /s09999.*cluster 10\.96\.39\.15:80/)
  await page.type('#find', 'nothing')
  await untilText(page, '#place', /^none$/)
  expect(faults).toEqual([])
})

it('takes names for texts, and shows what is in quarantine', async () => {
  const name = '<img src=x onerror=alert(1)>&amp;:http'
  const reason = new ValidationError('frontends[0].port', '<script>alert(2)</script>', '1-65535')
  const quarantined = [{ service: name, error: reason }]
  const status = (): PlaneStatus => ({ services: 0, quarantined, drifts: 3, details: { mode: 'userspace' } as never })
  const { url } = await servePage(new Map([[name, service(name, 1)]]), { status, counters: () => Promise.reject(new Error('not counted')) })
  const { page, faults } = await openPage(browser, url)
  await untilText(page, '#quarantine', /^<img src=x onerror=alert\(1\)>&amp;:http: .*<script>/)
  await untilText(page, '#rows', /<img src=x/)
  expect(await read(page, `document.querySelectorAll('img, #rows script, #quarantine script').length`)).toBe(0)
  expect(await read(page, `document.querySelector('#uncounted').hidden`)).toBe(false)
  expect(faults).toEqual([])
})

it('says when the proxy does not answer any more', async () => {
  const { url, server } = await servePage(new Map())
  const { page } = await openPage(browser, url)
  await untilText(page, '#place', /^none$/)
  server.close().closeAllConnections()
  await page.waitForSelector('#cut:not([hidden])')
  await untilText(page, '#place', /^cannot be read: /)
})

it('shows a proxy at work: where real connections go, and changes as they come', async () => {
  const network = await makeServingNetwork(2, { isOwn: true })
  const folder = await makeFolder()
  const file = join(folder, 'shop.yaml')
  await writeFile(file, manifest('web', '10.96.0.1', addressOf.ip(1)))
  const proxy = background(process.execPath, [PROXY, '--manifests', folder, '--listen', '127.0.0.1:10256', '--ui', '--counters'])
  await proxy.waitFor('"msg":"synced"')
  const { page, faults } = await openPage(browser, 'http://127.0.0.1:10256/ui')
  await untilText(page, '#mode', /^nftables$/)
  await untilText(page, '#health', /^healthy$/)
  await ask(network.client, 'tcp', '10.96.0.1', 80, 12)
  await untilText(page, '#rows', new RegExp(`web:80.*${addressOf.ip(1)}:8080.*12`))

  await writeFile(file, manifest('web', '10.96.0.1', addressOf.ip(2)) + '---' + manifest('api', '10.96.0.2', addressOf.ip(1)))
  await untilText(page, '#services', /^2$/)
  await untilText(page, '#rows', new RegExp(`api:80.*${addressOf.ip(1)}.*web:80.*${addressOf.ip(2)}`))
  await network.node.nft('delete', 'table', 'ip', 'netplane')
  await untilText(page, '#drifts', /^1$/)
  expect(faults).toEqual([])
  await proxy.stop()
  expect(await proxy.ended).toEqual({ status: 0, signal: null })
})
