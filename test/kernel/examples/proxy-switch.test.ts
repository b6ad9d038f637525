import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { KEEPER, TALKER } from '../../support/kept-connections.js'
import { patience } from '../../support/lab.js'
import { makeFolder, PROXY } from '../../support/manifests.js'
import type { Background } from '../../support/run.js'
import { addressOf, makeServingNetwork, type ServiceNetwork } from '../../support/service-network.js'
import { badRounds, CUSTOMER, moreServed } from '../../support/switching.js'

const VIP = '10.96.0.1'
const timeout = 20_000 * patience

/** A service for new connections, and one for those that are kept. */
const SERVICES = `
kind: Service
metadata: { name: web }
spec: { clusterIP: ${VIP}, ports: [{ name: web, port: 80 }, { name: talk, port: 81 }] }
---
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: web, port: 8080 }, { name: talk, port: 81 }]
endpoints: [{ addresses: [${addressOf.ip(1)}] }, { addresses: [${addressOf.ip(2)}] }]
`

interface Scene {
  readonly network: ServiceNetwork
  readonly configure: (mode: string) => Promise<void>
  readonly start: () => Promise<Background>
  /** What kube-proxy's servers say at a path. */
  readonly get: (port: number, path: string) => Promise<string>
  readonly health: () => Promise<Record<string, unknown>>
  readonly tables: () => Promise<string>
}

/** A proxy that follows a file, between a client and two servers. */
async function makeScene(): Promise<Scene> {
  const network = await makeServingNetwork(2)
  const { node } = network
  for (const [index, host] of network.servers.entries()) await host.background('python3', ['-c', TALKER, `s${index + 1}`]).waitFor('ready')
  const [manifests, folder] = [await makeFolder(), await makeFolder()]
  await writeFile(join(manifests, 'web.yaml'), SERVICES)
  const file = join(folder, 'config.yaml')
  const get = async (port: number, path: string): Promise<string> => {
    const script = `fetch('http://127.0.0.1:${port}${path}').then(async (answer) => console.log(await answer.text()))`
    return (await node.run(process.execPath, ['-e', script])).trim()
  }
  const health = async (): Promise<Record<string, unknown>> => JSON.parse(await get(10_256, '/livez')) as Record<string, unknown>
  let version = 0
  return {
    ...{ network, get, health },
    configure: (mode) =>
      writeFile(file, `# ${++version}\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ${mode}\n`),
    start: async () => {
      const proxy = node.background(process.execPath, [PROXY, '--config', file, '--manifests', manifests])
      await proxy.waitFor(':10249')
      await vi.waitFor(async () => expect(await health()).toMatchObject({ healthy: true }), { timeout, interval: 100 })
      return proxy
    },
    tables: () => node.nft('list', 'tables')
  }
}

/** Connections that are kept, each of which was answered. */
async function keep({ client }: ServiceNetwork, connections: number): Promise<Background> {
  const keeper = client.background('python3', ['-c', KEEPER, VIP, String(connections)])
  await keeper.waitFor('round 1 ')
  return keeper
}

/** They go on being answered. */
async function goesOn(keeper: Background): Promise<void> {
  const rounds = keeper.output().split('\n').length
  await vi.waitFor(() => expect(keeper.output().split('\n').length).toBeGreaterThan(rounds + 3), { timeout, interval: 100 })
  expect(badRounds(keeper.output())).toEqual([])
}

it('goes from mode to mode while all are served, and stays in the last one where the next cannot be had', async () => {
  const { network, configure, start, get, health, tables } = await makeScene()
  await configure('userspace')
  const proxy = await start()
  const customer = network.client.background('python3', ['-c', CUSTOMER, 'tcp', VIP, '80'])
  const relayed = await keep(network, 2)

  await configure('nftables')
  await proxy.waitFor('"mode":"nftables","msg":"follows the new configuration"')
  expect(await get(10_249, '/proxyMode')).toBe('nftables')
  await moreServed([customer], timeout)
  await goesOn(relayed)
  expect(await health()).toMatchObject({ healthy: true, leaving: [{ mode: 'userspace', connections: 2 }] })
  await relayed.stop()
  await proxy.waitFor('nothing is left of a plane that was replaced', timeout)
  expect(await health()).not.toHaveProperty('leaving')

  const translated = await keep(network, 2)
  await configure('iptables')
  await proxy.waitFor('"mode":"iptables","msg":"follows the new configuration"')
  expect(await get(10_249, '/proxyMode')).toBe('iptables')
  await moreServed([customer], timeout)
  await goesOn(translated)
  await vi.waitFor(async () => expect(await tables()).not.toContain('netplane'), { timeout, interval: 200 })

  // Somebody else's table has the name that mode nftables needs.
  await network.node.nft('add', 'table', 'ip', 'netplane')
  await configure('nftables')
  await proxy.waitFor('the new configuration cannot be had, and the last one stays')
  expect(await get(10_249, '/proxyMode')).toBe('iptables')
  expect(await health()).toMatchObject({ healthy: true, configuration: expect.stringContaining('netplane') as string })
  await moreServed([customer], timeout)
  await goesOn(translated)
  await network.node.nft('delete', 'table', 'ip', 'netplane')
  await configure('nftables')
  await vi.waitFor(async () => expect(await get(10_249, '/proxyMode')).toBe('nftables'), { timeout, interval: 200 })
  expect(await health()).not.toHaveProperty('configuration')
  await moreServed([customer], timeout)
  await goesOn(translated)

  await customer.stop()
  expect(customer.output()).toContain('failures []\n')
  await proxy.stop()
  expect(await proxy.ended).toEqual({ status: 0, signal: null })
})

it('is stopped well while relays wait for their end, and the next process finishes what was begun, also after a crash', async () => {
  const { network, configure, start, tables } = await makeScene()
  await configure('iptables')
  await (await start()).stop()
  const fresh = await tables()
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await configure('userspace')
    const first = await start()
    await vi.waitFor(async () => expect((await tables()).split('\n').length).toBeGreaterThan(1), { timeout, interval: 200 })
    const relayed = await keep(network, 1)
    await configure('iptables')
    await first.waitFor('follows the new configuration')
    expect(await tables()).toContain('netplane-switch-')
    await first.stop(signal)
    expect(await first.ended).toEqual(signal === 'SIGTERM' ? { status: 0, signal: null } : { status: null, signal })
    const next = await start()
    await vi.waitFor(async () => expect(await tables()).toBe(fresh), { timeout, interval: 200 })
    await relayed.stop()
    await next.stop()
  }
})
