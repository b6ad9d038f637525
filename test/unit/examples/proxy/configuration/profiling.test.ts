import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import { pino, type Logger } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { readCommand } from '../../../../../examples/proxy/configuration/command.js'
import { KubeProxyServers } from '../../../../../examples/proxy/configuration/servers.js'
import { freePort } from '../../../../support/free-port.js'

/** The URL of a server of metrics, and its log. */
async function serve(...args: string[]): Promise<{ readonly url: string; readonly log: Logger }> {
  const [healthz, metrics] = [await freePort(), await freePort()]
  const addresses = [`--healthz-bind-address=127.0.0.1:${healthz}`, `--metrics-bind-address=127.0.0.1:${metrics}`]
  const { configured } = readCommand(['--manifests', '/m', ...addresses, ...args]).options
  const log = pino({ level: 'info' }, { write: () => undefined })
  const sources = {
    health: () => ({ isHealthy: true, isEligible: true, syncedAt: undefined }),
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    isReady: () => true,
    answered: () => undefined
  }
  const servers = new KubeProxyServers(configured!, sources, log)
  onTestFinished(() => servers.close())
  await servers.listen()
  return { url: `http://127.0.0.1:${metrics}/debug`, log }
}

const put = (url: string, body: string): Promise<Response> => fetch(url, { method: 'PUT', body })

it('is not there unless it was asked for', async () => {
  const { url, log } = await serve()
  for (const path of ['pprof/profile?seconds=1', 'pprof/heap?seconds=1', 'flags/v'])
    expect((await fetch(`${url}/${path}`)).status).toBe(404)
  expect((await put(`${url}/flags/v`, '6')).status).toBe(404)
  expect(log.level).toBe('info')
})

it('profiles what the process does, and what it allocates', async () => {
  const { url } = await serve('--profiling')
  const keptLists: unknown[] = []
  const work = setInterval(() => keptLists.push(Array.from({ length: 20_000 }, (_, index) => ({ index }))), 20)
  onTestFinished(() => clearInterval(work))
  const cpu = await fetch(`${url}/pprof/profile?seconds=1`)
  expect([cpu.status, cpu.headers.get('content-type')]).toEqual([200, 'application/json'])
  expect(cpu.headers.get('content-disposition')).toBe('attachment; filename="profile.cpuprofile"')
  const profile = (await cpu.json()) as { nodes: unknown[]; samples: unknown[]; startTime: number; endTime: number }
  expect(profile.nodes.length).toBeGreaterThan(1)
  expect(profile.samples.length).toBeGreaterThan(10)
  expect(profile.endTime - profile.startTime).toBeGreaterThan(900_000)

  const heap = await fetch(`${url}/pprof/heap?seconds=1`)
  expect(heap.headers.get('content-disposition')).toBe('attachment; filename="heap.heapprofile"')
  const { head, samples } = (await heap.json()) as { head: { callFrame: { functionName: string } }; samples: unknown[] }
  expect(head.callFrame.functionName).toBe('(root)')
  expect(samples.length).toBeGreaterThan(0)
})

it.each(['0', '301', '-1', '1.5', '', 'x', '1&seconds=2', '1e2', '99999999999'])('refuses seconds=%s', async (seconds) => {
  const { url } = await serve('--profiling')
  for (const name of ['profile', 'heap']) {
    const answer = await fetch(`${url}/pprof/${name}?seconds=${seconds}`)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      code: 'ERR_NETPLANE_VALIDATION',
      path: 'seconds',
      value: seconds.replace('&seconds=', ','),
      allowed: 'an integer from 1 to 300, once'
    })
  }
})

it('takes one profile at a time, and ends one whose client has gone away', async () => {
  const { url } = await serve('--profiling')
  const gone = httpGet(`${url}/pprof/profile`).on('error', () => undefined)
  await once(gone, 'socket')
  await vi.waitFor(async () => expect((await fetch(`${url}/pprof/heap?seconds=1`)).status).toBe(409), 5000)
  gone.destroy()
  await vi.waitFor(async () => expect((await fetch(`${url}/pprof/heap?seconds=1`)).status).toBe(200), { timeout: 10_000, interval: 50 })
  expect((await fetch(`${url}/pprof/profile`, { method: 'POST' })).status).toBe(405)
  expect((await fetch(`${url}/pprof/profile`, { method: 'HEAD' })).status).toBe(405)
})

it("sets the log's level while it runs, as -v does", async () => {
  const { url, log } = await serve('--profiling')
  const levels: readonly (readonly [word: string, level: string])[] = [
    ['4', 'debug'],
    ['6', 'trace'],
    ['10\n', 'trace'],
    ['0', 'info']
  ]
  for (const [word, level] of levels) {
    const answer = await put(`${url}/flags/v`, word)
    expect([answer.status, await answer.text()]).toEqual([200, `successfully set klog.logging.verbosity to ${word.trim()}`])
    expect(log.level).toBe(level)
  }
  for (const word of ['-1', 'debug', '', '4.5', '2147483648', '4'.repeat(500_000)]) {
    const answer = await put(`${url}/flags/v`, word)
    expect(answer.status).toBe(400)
    expect(await answer.text()).toMatch(/^failed set klog\.logging\.verbosity ".*": an integer of 0 or more is wanted$/)
  }
  expect(log.level).toBe('info')
  expect((await fetch(`${url}/flags/v`)).status).toBe(406)
})
