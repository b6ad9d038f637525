/**
 * Traffic that never stops while a plane goes through modes.
 */
import { expect, onTestFinished, vi } from 'vitest'
import { openPlane, type PlaneMode, type PlaneOptions, type Service } from '../../src/index.js'
import { ASK } from './asking.js'
import { KEEPER, TALKER } from './kept-connections.js'
import { patience } from './lab.js'
import type { TestNamespace } from './namespace.js'
import { VIP } from './plane-ways.js'
import type { Background } from './run.js'
import { addressOf, makeServingNetwork, type ServiceNetwork } from './service-network.js'

/** Asks one time after the other until it is told to end, and prints what failed. */
export const CUSTOMER = `${ASK}
count, failures = 0, []
while not stop:
    at = time.strftime('%H:%M:%S')
    try:
        if not ask(): failures.append(at + ' nothing')
    except OSError as e: failures.append(at + ' ' + type(e).__name__)
    count += 1
    if count % 10 == 0: print('served', count, flush=True)
    time.sleep(0.005)
print('failures', failures, flush=True)
`

const families = ['ip', 'ip6'] as const

/** A service for new connections, one for those that are kept, and ports of this node. */
function services(): Map<string, Service> {
  const on = (name: string, protocol: 'tcp' | 'udp', port: number, target: number): Service => ({
    name,
    protocol,
    frontends: [
      ...families.map((family) => ({ kind: 'cluster' as const, address: VIP[family], port })),
      { kind: 'external', address: '198.51.100.1', port },
      { kind: 'node', port: 30_000 + port }
    ],
    endpoints: [1, 2].flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: target })))
  })
  return new Map(
    [on('web', 'tcp', 80, 8080), on('dns', 'udp', 80, 8080), on('talk', 'tcp', 81, 81)].map((service) => [service.name, service])
  )
}

/** Who goes on asking, and how. */
function customers({ client, node }: ServiceNetwork): Background[] {
  const ways: readonly (readonly [TestNamespace, string, string, number])[] = [
    [client, 'tcp', VIP.ip, 80],
    [client, 'tcp', VIP.ip6, 80],
    [client, 'udp', VIP.ip, 80],
    [client, 'tcp', '198.51.100.1', 80],
    [client, 'tcp', '10.1.0.1', 30_080],
    [node, 'tcp', VIP.ip, 80],
    [node, 'udp', VIP.ip6, 80]
  ]
  return ways.map(([from, ...args]) => from.background('python3', ['-c', CUSTOMER, ...args.map(String)]))
}

const served = (output: string): number => Number([...output.matchAll(/served (\d+)\n/g)].at(-1)?.[1] ?? 0)

/** Waits until each of them has been served some times more. */
export async function moreServed(all: readonly Background[], timeout: number): Promise<void> {
  const before = all.map((one) => served(one.output()))
  await vi.waitFor(() => all.forEach((one, index) => expect(served(one.output())).toBeGreaterThan(before[index]! + 20)), {
    timeout,
    interval: 100
  })
}

/** Ends them: none has met a failure. @param timeout Until all have said so, in milliseconds. */
export async function expectNoneFailed(all: readonly Background[], timeout: number): Promise<void> {
  for (const one of all) process.kill(one.pid, 'SIGTERM')
  // The whole line: it may come in pieces.
  await vi.waitFor(() => expect(all.filter((one) => !/failures .*\n/.test(one.output()))).toEqual([]), { timeout })
  expect(all.map((one) => /failures (.*)\n/.exec(one.output())![1])).toEqual(all.map(() => '[]'))
}

/** Rounds in which a connection failed. */
export const badRounds = (output: string): string[] =>
  output.split('\n').filter((line) => line.startsWith('round') && /Error|timeout| {2}|\d $/.test(line))

/** Goes through modes and back to the first, with connections that begin in each of them and are kept to the end. @returns What the kernel holds then, and before. */
export async function goThrough(modes: readonly PlaneMode[]): Promise<{ readonly before: string; readonly after: string }> {
  const timeout = 30_000 * patience
  const network = await makeServingNetwork(2, { isOwn: true })
  for (const [index, host] of network.servers.entries()) await host.background('python3', ['-c', TALKER, `s${index + 1}`]).waitFor('ready')
  const optionsOf = (mode: PlaneMode): PlaneOptions => ({ mode, netns: network.node.path })
  const plane = await openPlane(optionsOf(modes[0]!))
  onTestFinished(() => plane.close({ cleanup: true }))
  const failures: string[] = []
  void (async () => {
    for await (const event of plane.watch()) if (event.type === 'error' || event.type === 'quarantined') failures.push(String(event.error))
  })()
  await plane.sync(services())
  const before = await network.node.nft('list', 'tables')
  const all = customers(network)
  await moreServed(all, timeout)
  const keepers: Background[] = []
  for (const mode of modes.slice(1)) {
    const keeper = network.client.background('python3', ['-c', KEEPER, VIP.ip, '4'])
    await keeper.waitFor('round 1 ')
    keepers.push(keeper)
    const report = await plane.switchTo(optionsOf(mode))
    expect(report).toMatchObject({ to: mode, sync: { quarantined: [] } })
    expect(plane.status()).toMatchObject({ services: 3, quarantined: [], details: { mode } })
    await moreServed([...all], timeout)
    const rounds = keepers.map((one) => one.output().split('\n').length)
    await vi.waitFor(() => keepers.forEach((one, index) => expect(one.output().split('\n').length).toBeGreaterThan(rounds[index]! + 3)), {
      timeout,
      interval: 100
    })
    expect([mode, keepers.map((one) => badRounds(one.output()))]).toEqual([mode, keepers.map(() => [])])
  }
  await expectNoneFailed(all, 20_000)
  for (const keeper of keepers) process.kill(keeper.pid, 'SIGTERM')
  await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), { timeout: 4 * timeout, interval: 200 })
  expect(failures).toEqual([])
  expect(plane.status().drifts).toBe(0)
  return { before, after: await network.node.nft('list', 'tables') }
}
