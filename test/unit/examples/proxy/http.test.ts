import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import type { Plane } from '../../../../src/index.js'
import { serveHttp } from '../../../../examples/proxy/http.js'
import { Keeper } from '../../../../examples/proxy/keeper.js'
import { escapeInvisible } from '../../../../examples/proxy/log.js'
import { readyPages } from '../../../../examples/proxy/pages.js'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

async function serve(isHealthy: boolean, isEligible = true): Promise<string> {
  const sources = {
    health: () => ({ isHealthy, isEligible, body: { file: 'a\u202eb\u0007.yaml' } }),
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: 'metric 1\n' })
  }
  const { server, address } = await serveHttp({ host: '127.0.0.1', port: 0 }, sources, () => undefined)
  servers.push(server)
  return `http://${address}`
}

it('says at /readyz whether all services were in the kernel once', async () => {
  const state = { isReady: false }
  const sources = {
    health: () => ({ isHealthy: false, isEligible: true, body: {} }),
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    pages: readyPages(() => state.isReady)
  }
  const { server, address } = await serveHttp({ host: '127.0.0.1', port: 0 }, sources, () => undefined)
  servers.push(server)
  const ask = async (method = 'GET'): Promise<readonly unknown[]> => {
    const answer = await fetch(`http://${address}/readyz`, { method })
    return [answer.status, await answer.text()]
  }
  expect(await ask()).toEqual([503, 'not synced yet\n'])
  state.isReady = true
  expect(await ask()).toEqual([200, 'ok\n'])
  expect(await ask('HEAD')).toEqual([200, ''])
  expect(await ask('POST')).toEqual([405, 'GET and HEAD are answered\n'])
})

it('keeps new connections away from a node that leaves, which lives on', async () => {
  const answers = async (url: string): Promise<readonly unknown[]> =>
    Promise.all(
      ['/healthz', '/livez'].map(async (path) => {
        const answer = await fetch(`${url}${path}`)
        return [answer.status, ((await answer.json()) as { nodeEligible?: boolean }).nodeEligible]
      })
    )
  expect(await answers(await serve(true, false))).toEqual([
    [503, false],
    [200, undefined]
  ])
  expect(await answers(await serve(false))).toEqual([
    [503, true],
    [503, undefined]
  ])
})

it('answers GET and HEAD, and tells others what is allowed', async () => {
  const [well, ill] = [await serve(true), await serve(false)]
  const health = await fetch(`${well}/healthz`)
  expect([health.status, await health.text()]).toEqual([200, '{"file":"a\\u202eb\\u0007.yaml","nodeEligible":true}\n'])
  expect((await fetch(`${ill}/healthz`)).status).toBe(503)
  const head = await fetch(`${ill}/healthz`, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([503, ''])
  expect(await (await fetch(`${well}/metrics`)).text()).toBe('metric 1\n')
  for (const path of ['/healthz', '/livez', '/metrics']) {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await fetch(`${well}${path}`, { method })
      expect([answer.status, answer.headers.get('allow')], `${method} ${path}`).toEqual([405, 'GET, HEAD'])
    }
  }
  expect((await fetch(`${well}/`)).status).toBe(404)
})

it('says when its port is taken', async () => {
  const other = createServer()
  servers.push(other)
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const sources = {
    health: () => ({ isHealthy: true, isEligible: true, body: {} }),
    metrics: () => Promise.reject(new Error('not asked'))
  }
  await expect(serveHttp({ host: '127.0.0.1', port: (other.address() as AddressInfo).port }, sources, () => undefined)).rejects.toThrow(
    'EADDRINUSE'
  )
})

it('measures the lag by a clock that nobody sets', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    let finish: () => void = () => undefined
    const sync = vi.fn(() => new Promise((resolve) => void (finish = () => resolve({}))))
    const keeper = new Keeper({ sync } as unknown as Plane, { synced: () => undefined, failed: () => undefined })
    keeper.want(new Map())
    vi.setSystemTime(Date.now() + 3_600_000)
    expect(keeper.lagMs).toBeLessThan(60_000)
    vi.setSystemTime(Date.now() - 7_200_000)
    expect(keeper.lagMs).toBeGreaterThanOrEqual(0)
    finish()
    await keeper.stop()
  } finally {
    vi.useRealTimers()
  }
})

it('escapes what a terminal would obey or nobody would see, in JSON that says the same', () => {
  const text = 'a\u0000\u001b[2J\u007f\u009b\u00ad\u200b\u202e\u2028\u2066\ufeff\u{e0041}\ud800z ä 日 😀'
  const escaped = escapeInvisible(JSON.stringify({ text }))
  expect(JSON.parse(escaped)).toEqual({ text })
  expect(escaped).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
  expect(escaped).toContain('ä 日 😀')
})
