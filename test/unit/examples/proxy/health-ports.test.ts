import { createServer, type AddressInfo } from 'node:net'
import { expect, it, onTestFinished, vi } from 'vitest'
import { HealthPorts, type HealthPortsSources } from '../../../../examples/proxy/health-ports.js'
import type { HealthCheck } from '../../../../examples/proxy/kubernetes/health-checks.js'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

function open(addresses?: readonly string[], sources: Partial<HealthPortsSources> = {}): HealthPorts {
  const failed = (_: HealthCheck, error: Error): void => expect.fail(error.message)
  const ports = new HealthPorts({ addresses: () => addresses, isHealthy: () => true, failed, ...sources })
  onTestFinished(() => ports.close())
  return ports
}

const checkAt = (port: number, ip: number, name = 'lblocal'): HealthCheck => ({
  namespace: 'gold',
  name,
  port,
  localEndpoints: { ip, ip6: 7 }
})
const ask = (port: number): Promise<Response> => vi.waitFor(() => fetch(`http://127.0.0.1:${port}/`), { timeout: 2000, interval: 10 })

it('answers as kube-proxy does', async () => {
  const port = await freePort()
  let isHealthy = true
  const ports = open(undefined, { isHealthy: () => isHealthy })
  ports.want([checkAt(port, 2)])
  const answer = await ask(port)
  expect([answer.status, await answer.text()]).toEqual([
    200,
    '{\n\t"service": {\n\t\t"namespace": "gold",\n\t\t"name": "lblocal"\n\t},\n\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}'
  ])
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'x-load-balancing-endpoint-weight': '2',
    'content-length': '115'
  })
  isHealthy = false
  const ill = await ask(port)
  expect([ill.status, await ill.json()]).toMatchObject([503, { localEndpoints: 2, serviceProxyHealthy: false }])
  isHealthy = true
  ports.want([checkAt(port, 0)])
  const none = await ask(port)
  expect([none.status, await none.json()]).toMatchObject([503, { localEndpoints: 0, serviceProxyHealthy: true }])
})

it('closes what is gone, and gives a port to whoever has it now', async () => {
  const port = await freePort()
  const ports = open()
  ports.want([checkAt(port, 1)])
  expect(await (await ask(port)).json()).toMatchObject({ service: { name: 'lblocal' } })
  ports.want([checkAt(port, 1, 'other')])
  expect(await (await ask(port)).json()).toMatchObject({ service: { name: 'other' } })
  ports.want([])
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
})

it('says which port it cannot have, and tries again when it is told the next time', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, resolve))
  const { port } = other.address() as AddressInfo
  const failures: string[] = []
  const ports = open(undefined, {
    failed: ({ name }, error) => failures.push(`${name}: ${error.message.split(' ').slice(0, 2).join(' ')}`)
  })
  ports.want([checkAt(port, 1), checkAt(70_000, 1, 'far')])
  await vi.waitFor(() => expect(failures).toHaveLength(2))
  expect(failures.sort()).toEqual(['far: options.port should', 'lblocal: listen EADDRINUSE:'])
  await new Promise((resolve) => other.close(resolve))
  ports.want([checkAt(port, 1)])
  expect((await ask(port)).status).toBe(200)
})

it('resets connections to addresses that have no node ports', async () => {
  const port = await freePort()
  const ports = open(['10.0.0.0/8', '::1/128'])
  ports.want([checkAt(port, 1)])
  expect(await vi.waitFor(async () => (await fetch(`http://[::1]:${port}/`)).json(), { timeout: 2000 })).toMatchObject({
    localEndpoints: 7
  })
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
})
