import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { readCommand } from '../../../../../examples/proxy/configuration/command.js'
import { KubeProxyServers, type KubeProxySources } from '../../../../../examples/proxy/configuration/servers.js'
import { freePort } from '../../../../support/free-port.js'

interface Page {
  readonly status: number
  readonly contentType: string | null
  readonly text: string
}

const SYNCED_AT = new Date('2026-01-02T03:04:05.678Z')
const METRICS = { contentType: 'text/plain; version=0.0.4', text: 'a 1\n' }

function serversAt(healthz: number, metrics: number, sources: KubeProxySources, ...args: string[]): KubeProxyServers {
  const addresses = [`--healthz-bind-address=127.0.0.1:${healthz}`, `--metrics-bind-address=127.0.0.1:${metrics}`]
  const { configured } = readCommand(['--manifests', '/m', ...addresses, ...args]).options
  const servers = new KubeProxyServers(configured!, sources, pino({ level: 'silent' }))
  onTestFinished(() => servers.close())
  return servers
}

async function get(port: number, path: string): Promise<Page> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, contentType: response.headers.get('content-type'), text: await response.text() }
}

it("answers as kube-proxy's two servers do", async () => {
  const [healthz, metrics] = [await freePort(), await freePort()]
  let health: ReturnType<KubeProxySources['health']> = { isHealthy: false, isEligible: true, syncedAt: undefined }
  const answered = vi.fn()
  let isReady = false
  const servers = serversAt(
    healthz,
    metrics,
    { health: () => health, metrics: () => Promise.resolve(METRICS), isReady: () => isReady, answered },
    '--proxy-mode=nftables'
  )
  await servers.listen()
  const answers = async (): Promise<[number, number]> => [(await get(healthz, '/healthz')).status, (await get(healthz, '/livez')).status]

  const never = { lastUpdated: '0001-01-01T00:00:00Z', healthy: false }
  expect(await answers()).toEqual([503, 503])
  expect(await get(healthz, '/readyz')).toMatchObject({ status: 503 })
  isReady = true
  expect(await get(healthz, '/readyz')).toMatchObject({ status: 200, text: 'ok\n' })
  expect(JSON.parse((await get(healthz, '/healthz')).text)).toMatchObject({
    ...never,
    nodeEligible: true,
    status: { IPv4: never, IPv6: never }
  })

  health = { isHealthy: true, isEligible: true, syncedAt: SYNCED_AT }
  expect(await answers()).toEqual([200, 200])
  const { contentType, text } = await get(healthz, '/livez')
  const family = { lastUpdated: SYNCED_AT.toISOString(), healthy: true }
  expect(contentType).toBe('application/json')
  const body = JSON.parse(text) as { lastUpdated: string; currentTime: string }
  expect(body).toEqual({
    lastUpdated: body.currentTime,
    currentTime: body.currentTime,
    healthy: true,
    status: { IPv4: family, IPv6: family }
  })

  // A node that is leaving is alive.
  health = { isHealthy: true, isEligible: false, syncedAt: SYNCED_AT, notes: { configuration: 'mode ipvs is missing' } }
  expect(await answers()).toEqual([503, 200])
  expect(answered.mock.calls.slice(-2)).toEqual([
    ['healthz', 503],
    ['livez', 200]
  ])
  expect(JSON.parse((await get(healthz, '/livez')).text)).toMatchObject({ healthy: true, configuration: 'mode ipvs is missing' })

  expect(await get(metrics, '/healthz')).toMatchObject({ status: 200, text: 'ok' })
  expect(await get(metrics, '/proxyMode?a=b')).toEqual({ status: 200, contentType: 'text/plain; charset=utf-8', text: 'nftables' })
  expect(await get(metrics, '/metrics')).toEqual({ status: 200, ...METRICS })
  expect(JSON.parse((await get(metrics, '/configz')).text)).toMatchObject({ 'kubeproxy.config.k8s.io': { mode: 'nftables' } })
  for (const path of ['/', '/toString', '/__proto__', '/livez']) expect(await get(metrics, path)).toMatchObject({ status: 404 })
  expect(await get(healthz, '/metrics')).toMatchObject({ status: 404, text: '404 page not found\n' })

  servers.close()
  await expect(get(healthz, '/livez')).rejects.toThrow('fetch failed')
})

it('says that metrics could not be had, and goes on', async () => {
  const [healthz, metrics] = [await freePort(), await freePort()]
  const health = { isHealthy: true, isEligible: true, syncedAt: SYNCED_AT }
  const servers = serversAt(healthz, metrics, {
    health: () => health,
    metrics: () => Promise.reject(new Error('no metrics')),
    isReady: () => true,
    answered: vi.fn()
  })
  await servers.listen()
  expect(await get(metrics, '/metrics')).toMatchObject({ status: 500, text: 'Error: no metrics' })
  expect(await get(metrics, '/healthz')).toMatchObject({ status: 200 })
})

it('goes on without an address that is taken, or ends where it must not', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())
  const { port } = taken.address() as AddressInfo
  const metrics = await freePort()
  const sources = {
    health: () => ({ isHealthy: true, isEligible: true, syncedAt: SYNCED_AT }),
    metrics: () => Promise.resolve(METRICS),
    isReady: () => true,
    answered: vi.fn()
  }
  await serversAt(port, metrics, sources).listen()
  expect(await get(metrics, '/healthz')).toMatchObject({ status: 200 })
  await expect(serversAt(port, metrics, sources, '--bind-address-hard-fail').listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
