import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  Conntrack,
  openPlane,
  type Endpoint,
  type FlowInput,
  type Plane,
  type PlaneEvent,
  type PlaneOptions,
  type Service,
  type StaleFlowReport
} from '../../../../src/index.js'
import { sendFrom } from '../../../support/pinned-client.js'
import { until } from '../../../support/run.js'
import { addressOf, makeServiceNetwork, reachable, serve, type ServiceNetwork } from '../../../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
const PORT = 53
const SERVED = [8080, 8081]

/** Two servers, each on two ports. Server 1 answers `s1` on 8080 and `s1b` on 8081. */
async function network(): Promise<ServiceNetwork> {
  const made = await makeServiceNetwork(2)
  const names = (host: number): string[] => [`s${host + 1}`, `s${host + 1}b`]
  await Promise.all(made.servers.flatMap((host, index) => names(index).map((name, at) => serve(host, name, SERVED[at]!))))
  await reachable(made, 8080)
  return made
}

interface Scene {
  readonly network: ServiceNetwork
  readonly plane: Plane
  readonly conntrack: Conntrack
  /** Applies this as the whole, and waits until the flows were looked at; undefined where nothing made that necessary. */
  readonly apply: (...services: Service[]) => Promise<StaleFlowReport | undefined>
  /** The next report, of a look that no call asked for. */
  readonly nextReport: () => Promise<StaleFlowReport>
}

async function scene(options: Partial<Extract<PlaneOptions, { readonly mode: 'nftables' }>> = {}): Promise<Scene> {
  const made = await network()
  const netns = made.node.path
  const plane = await openPlane({ mode: 'nftables', netns, staleFlows: { secondLookMs: 0, minIntervalMs: 0 }, ...options })
  onTestFinished(() => plane.close())
  const conntrack = await Conntrack.open({ netns })
  onTestFinished(() => conntrack.close())
  const reports = collect(plane)
  const apply = async (...services: Service[]): Promise<StaleFlowReport | undefined> => {
    await plane.sync(new Map(services.map((service) => [service.name, service])))
    // What a change asks of the flows is worked out beside the call.
    await setImmediate()
    if (plane.status().flows!.pending === 0 && reports.waiting() === 0) return undefined
    return await reports.next()
  }
  return { network: made, plane, conntrack, apply, nextReport: reports.next }
}

/** Reports one after the other, and how many were not asked for yet. */
function collect(plane: Plane): { next: () => Promise<StaleFlowReport>; waiting: () => number } {
  const events = plane.watch()
  const told: PlaneEvent[] = []
  const listening = (async () => {
    for await (const event of events) if (event.type === 'error' || event.type === 'flows') told.push(event)
  })()
  const next = async (): Promise<StaleFlowReport> => {
    await Promise.race([until('a report', () => told.length > 0), listening])
    const event = told.shift()
    if (event === undefined) throw new Error('the plane was closed')
    if (event.type === 'error') throw event.error
    if (event.type !== 'flows') throw new Error(event.type)
    return event.report
  }
  return { next, waiting: () => told.length }
}

function service(overrides: Partial<Service> = {}): Service {
  return { name: 'dns', protocol: 'udp', frontends: [{ kind: 'cluster', address: VIP.ip, port: PORT }], endpoints: [], ...overrides }
}

describe.each(['ip', 'ip6'] as const)('stale flows over %s', (family) => {
  const frontends = [{ kind: 'cluster' as const, address: VIP[family], port: PORT }]
  const target = { address: VIP[family], port: PORT }
  const endpoint = (server: number, more: Partial<Endpoint> = {}): Endpoint => ({ address: addressOf[family](server), port: 8080, ...more })
  const dns = (...endpoints: Endpoint[]): Service => service({ frontends, endpoints })

  it('deletes the flows of an endpoint that is gone, and leaves the others', async () => {
    const { network: net, apply, conntrack } = await scene()
    await apply(dns(endpoint(1)))
    expect(await sendFrom(net.client, 4001, target)).toBe('s1')
    await apply(dns(endpoint(1), endpoint(2)))
    // Nothing is stale: more endpoints are no reason to remove flows, and the flow stays where it is.
    expect(await sendFrom(net.client, 4001, target)).toBe('s1')
    const keeper = await conntrack.list({ filter: { protocol: 'udp', originalSourcePort: 4001 } })
    expect(await apply(dns(endpoint(2)))).toMatchObject({ frontends: 1, deleted: 1 })
    expect(keeper).toHaveLength(1)
    expect(await sendFrom(net.client, 4001, target)).toBe('s2')
    // Server 2's own flow is not touched by what happens to server 1.
    const before = await conntrack.list({ filter: { protocol: 'udp', originalSourcePort: 4001 } })
    expect(await apply(dns(endpoint(2), endpoint(1)))).toBeUndefined()
    const after = await conntrack.list({ filter: { protocol: 'udp', originalSourcePort: 4001 } })
    expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
  })

  it('sees that an endpoint kept its address and changed its port', async () => {
    const { network: net, apply } = await scene()
    await apply(dns(endpoint(1)))
    expect(await sendFrom(net.client, 4002, target)).toBe('s1')
    expect(await apply(dns(endpoint(1, { port: 8081 })))).toMatchObject({ deleted: 1 })
    expect(await sendFrom(net.client, 4002, target)).toBe('s1b')
  })

  it('deletes when the last endpoint goes, and when the first comes back', async () => {
    const { network: net, apply, conntrack } = await scene()
    await apply(dns(endpoint(1)))
    expect(await sendFrom(net.client, 4003, target)).toBe('s1')
    expect(await apply(dns())).toMatchObject({ deleted: 1 })
    expect(await sendFrom(net.client, 4003, target)).not.toBe('s1')
    await apply(dns(endpoint(2)))
    expect(await sendFrom(net.client, 4003, target)).toBe('s2')
    expect(await conntrack.count({ filter: { protocol: 'udp', originalSourcePort: 4003 } })).toBe(1)
  })

  it('deletes flows that began before the service was there and go past it', async () => {
    const { network: net, apply, conntrack } = await scene()
    await apply()
    // Routed on to server 1, which has no such address: the flow is there, and leads nowhere.
    expect(await sendFrom(net.client, 4004, target, 0.2)).not.toMatch(/^s/)
    const [lost] = await conntrack.list({ filter: { protocol: 'udp', originalSourcePort: 4004 } })
    expect(lost?.reply.source).toBe(VIP[family])
    expect(await apply(dns(endpoint(1)))).toMatchObject({ deleted: 1 })
    expect(await sendFrom(net.client, 4004, target)).toBe('s1')
  })

  it('deletes flows to a port of an address that the node has got since', async () => {
    const { network: net, apply, nextReport } = await scene()
    await apply(service({ frontends: [{ kind: 'node', port: PORT, family }], endpoints: [endpoint(1)] }))
    expect(await sendFrom(net.client, 4008, target, 0.2)).not.toMatch(/^s/)
    await net.node.ip('address', 'add', VIP[family], 'dev', 'host0', ...(family === 'ip6' ? ['nodad'] : []))
    expect(await nextReport()).toMatchObject({ deleted: 1 })
    expect(await sendFrom(net.client, 4008, target)).toBe('s1')
  })

  it('deletes the translated flows of a frontend that is gone, and of a deleted service', async () => {
    const { network: net, apply, conntrack } = await scene()
    const second = { ...frontends[0]!, port: 54 }
    await apply(service({ frontends: [...frontends, second], endpoints: [endpoint(1)] }))
    expect(await sendFrom(net.client, 4005, target)).toBe('s1')
    expect(await sendFrom(net.client, 4006, { ...target, port: 54 })).toBe('s1')
    expect(await apply(dns(endpoint(1)))).toMatchObject({ frontends: 1, deleted: 1 })
    expect(await conntrack.count({ filter: { protocol: 'udp', originalDestinationPort: PORT } })).toBe(1)
    expect(await apply()).toMatchObject({ frontends: 1, deleted: 1 })
    expect(await conntrack.count({ filter: { protocol: 'udp', nat: 'destination' } })).toBe(0)
  })

  it('lets draining endpoints keep their flows, unless told otherwise', async () => {
    const { network: net, apply } = await scene()
    await apply(dns(endpoint(1)))
    expect(await sendFrom(net.client, 4007, target)).toBe('s1')
    expect(await apply(dns(endpoint(1, { state: 'draining' }), endpoint(2)))).toBeUndefined()
    expect(await sendFrom(net.client, 4007, target)).toBe('s1')
    expect(await apply(dns(endpoint(2)))).toMatchObject({ deleted: 1 })

    const strict = await scene({ staleFlows: { udp: 'not-serving', secondLookMs: 0, minIntervalMs: 0 } })
    await strict.apply(dns(endpoint(1)))
    expect(await sendFrom(strict.network.client, 4007, target)).toBe('s1')
    expect(await strict.apply(dns(endpoint(1, { state: 'draining' }), endpoint(2)))).toMatchObject({ deleted: 1 })
    expect(await sendFrom(strict.network.client, 4007, target)).toBe('s2')
  })

  it('follows a frontend from service to service', async () => {
    const { network: net, apply } = await scene()
    await apply(dns(endpoint(1)))
    expect(await sendFrom(net.client, 4008, target)).toBe('s1')
    const moved = service({ name: 'other', frontends, endpoints: [endpoint(1), endpoint(2)] })
    // The frontend was never gone, and server 1 still answers: whatever is looked at, this flow stays.
    await apply(moved)
    expect(await sendFrom(net.client, 4008, target)).toBe('s1')
    expect(await apply(service({ name: 'third', frontends, endpoints: [endpoint(2)] }))).toMatchObject({ deleted: 1 })
    expect(await sendFrom(net.client, 4008, target)).toBe('s2')
  })

  it('leaves established flows alone at a restart, and finds those that became stale meanwhile', async () => {
    const { network: net, plane, apply, conntrack } = await scene()
    await apply(dns(endpoint(1), endpoint(2)))
    const answers = await Promise.all([4011, 4012, 4013, 4014, 4015, 4016].map((port) => sendFrom(net.client, port, target)))
    await plane.close()
    const before = await conntrack.list({ filter: { protocol: 'udp', nat: 'destination' } })
    expect(before).toHaveLength(6)
    const again = await openPlane({ mode: 'nftables', netns: net.node.path, staleFlows: { secondLookMs: 0 } })
    onTestFinished(() => again.close())
    const reports = collect(again)
    const [kept, gone] = answers.includes('s1') ? [1, 2] : [2, 1]
    const only = dns(endpoint(kept))
    await again.sync(new Map([[only.name, only]]))
    expect(await reports.next()).toMatchObject({ deleted: answers.filter((name) => name === `s${gone}`).length })
    const after = await conntrack.list({ filter: { protocol: 'udp', nat: 'destination' } })
    expect(after.map(({ reply }) => reply.source)).toEqual(after.map(() => addressOf[family](kept)))
    expect(after).toHaveLength(answers.filter((name) => name === `s${kept}`).length)
  })
})

describe('what is deleted', () => {
  const endpoint = (server: number): Endpoint => ({ address: addressOf.ip(server), port: 8080 })

  it.each(['tcp', 'sctp'] as const)('leaves %s alone, unless told otherwise', async (protocol) => {
    const flow: FlowInput = {
      protocol,
      original: { source: '10.1.0.2', destination: VIP.ip, sourcePort: 4020, destinationPort: PORT },
      reply: { source: addressOf.ip(1), destination: '10.1.0.2', sourcePort: 8080, destinationPort: 4020 },
      timeoutSeconds: 300,
      status: ['seen-reply', 'assured'],
      ...(protocol === 'tcp' ? {} : { sctp: { originalTag: 1, replyTag: 2 } }),
      state: 'established'
    }
    for (const [policy, deleted] of [
      [undefined, undefined],
      ['gone', 1]
    ] as const) {
      const { apply, conntrack } = await scene({ staleFlows: { [protocol]: policy, secondLookMs: 0, minIntervalMs: 0 } })
      await apply(service({ protocol, endpoints: [endpoint(1)] }))
      await conntrack.add(flow)
      const report = await apply(service({ protocol, endpoints: [endpoint(2)] }))
      expect(report?.deleted).toBe(deleted)
      expect(await conntrack.count({ filter: { protocol } })).toBe(deleted === undefined ? 1 : 0)
    }
  })

  it('touches nothing of other services, ports, protocols and hosts', async () => {
    const { apply, conntrack } = await scene()
    const other = service({ name: 'other', frontends: [{ kind: 'cluster', address: '10.96.0.2', port: PORT }], endpoints: [endpoint(1)] })
    await apply(service({ endpoints: [endpoint(1)] }), other)
    const flow = (source: number, destination: string, port: number, protocol: 'udp' | 'tcp' = 'udp') => ({
      protocol,
      original: { source: '10.1.0.2', destination, sourcePort: source, destinationPort: port },
      reply: { source: addressOf.ip(1), destination: '10.1.0.2', sourcePort: 8080, destinationPort: source },
      timeoutSeconds: 300,
      ...(protocol === 'tcp' ? { state: 'established' as const } : {})
    })
    const bystanders = [flow(1, '10.96.0.2', PORT), flow(2, VIP.ip, 54), flow(3, VIP.ip, PORT, 'tcp'), flow(4, '192.0.2.7', PORT)]
    await conntrack.addFlows([...bystanders, flow(5, VIP.ip, PORT)])
    expect(await apply(service({ endpoints: [endpoint(2)] }), other)).toMatchObject({ frontends: 1, deleted: 1 })
    const left = await conntrack.list({ filter: { replySource: addressOf.ip(1) } })
    expect(left.map(({ original }) => original.sourcePort).sort()).toEqual([1, 2, 3, 4])
  })

  it('deletes flows to a port of the node on its own addresses only', async () => {
    const { network: net, apply, conntrack } = await scene()
    const own = { kind: 'external' as const, address: '10.1.0.1', port: SERVED[1]! }
    await apply(service({ frontends: [own], endpoints: [endpoint(1)] }))
    expect(await sendFrom(net.client, 4031, own)).toBe('s1')
    // Another host's port of the same number, through this node.
    expect(await sendFrom(net.client, 4032, { address: addressOf.ip(2), port: own.port })).toBe('s2b')
    expect(await apply(service({ frontends: [own], endpoints: [endpoint(2)] }))).toMatchObject({ deleted: 1 })
    expect(await conntrack.count({ filter: { protocol: 'udp', originalSourcePort: 4032 } })).toBe(1)
    expect(await sendFrom(net.client, 4031, own)).toBe('s2')
  })

  it('deletes nothing at all when told so', async () => {
    const made = await network()
    const plane = await openPlane({ mode: 'nftables', netns: made.node.path, staleFlows: false })
    onTestFinished(() => plane.close())
    const only = (server: number): Service => service({ endpoints: [endpoint(server)] })
    await plane.sync(new Map([['dns', only(1)]]))
    expect(plane.status().flows).toBeUndefined()
    expect(await sendFrom(made.client, 4033, { address: VIP.ip, port: PORT })).toBe('s1')
    await plane.sync(new Map([['dns', only(2)]]))
    // As no one deletes the flow, the packet still goes to server 1.
    expect(await sendFrom(made.client, 4033, { address: VIP.ip, port: PORT })).toBe('s1')
  })

  it('looks a second time, for what slipped in during the change', async () => {
    const made = await network()
    const plane = await openPlane({ mode: 'nftables', netns: made.node.path, staleFlows: { secondLookMs: 300 } })
    onTestFinished(() => plane.close())
    const conntrack = await Conntrack.open({ netns: made.node.path })
    onTestFinished(() => conntrack.close())
    const reports = collect(plane)
    const only = service({ endpoints: [endpoint(1)] })
    await plane.sync(new Map([[only.name, only]]))
    expect(await reports.next()).toMatchObject({ deleted: 0 })
    await conntrack.add({
      protocol: 'udp',
      original: { source: '10.1.0.2', destination: VIP.ip, sourcePort: 7, destinationPort: PORT },
      reply: { source: addressOf.ip(2), destination: '10.1.0.2', sourcePort: 8080, destinationPort: 7 },
      timeoutSeconds: 300
    })
    expect(await reports.next()).toMatchObject({ deleted: 1 })
    expect(plane.status().flows).toEqual({ deleted: 1, pending: 0 })
  })

  it('looks at everything after a repair: flows went past the rules while they were missing', async () => {
    const made = await network()
    const plane = await openPlane({
      mode: 'nftables',
      netns: made.node.path,
      auditMs: 10,
      staleFlows: { secondLookMs: 0, minIntervalMs: 0 }
    })
    onTestFinished(() => plane.close())
    const reports = collect(plane)
    const only = service({ endpoints: [endpoint(1)] })
    await plane.sync(new Map([[only.name, only]]))
    await reports.next()
    await made.node.nft('flush', 'ruleset')
    expect(await reports.next()).toMatchObject({ frontends: 1 })
    expect(await sendFrom(made.client, 4030, { address: VIP.ip, port: PORT })).toBe('s1')
  })
})

/** Tries until it is connected, as the kernel repeats its first packet, and prints the answer. */
const PATIENT = `
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
print('answer', s.recv(100).decode(), flush=True)
`

describe.each(['ip', 'ip6'] as const)('a connection over %s that was tried too early', (family) => {
  const web = (endpoints: readonly Endpoint[]): Service =>
    service({ name: 'web', protocol: 'tcp', frontends: [{ kind: 'cluster', address: VIP[family], port: PORT }], endpoints })
  const served = web([{ address: addressOf[family](1), port: 8080 }])

  /** A client whose first packet has gone past the plane, on a node where somebody tracks connections. */
  async function tried({ network, conntrack }: Scene): Promise<{ readonly answered: () => Promise<void> }> {
    await network.node.nftScript('table inet somebody { chain c { type filter hook forward priority 0; ct state new counter; }; }')
    const client = network.client.background('python3', ['-c', PATIENT, VIP[family], String(PORT)])
    await until(
      'its flow is there',
      async () => (await conntrack.list({ filter: { protocol: 'tcp', originalDestination: VIP[family] } })).length === 1
    )
    return { answered: () => client.waitFor('answer s1', 10_000) }
  }

  it('is established once its service comes', async () => {
    const made = await scene()
    const client = await tried(made)
    expect(await made.apply(served)).toMatchObject({ frontends: 1, deleted: 1 })
    await client.answered()
    // Whoever is connected stays so.
    expect(await made.apply(web([{ address: addressOf[family](2), port: 8080 }]))).toBeUndefined()
  })

  it('is established once rules are there again that somebody had removed', async () => {
    const made = await scene({ auditMs: 0 })
    await made.apply(served)
    await made.network.node.nft('delete', 'table', family, 'netplane')
    const client = await tried(made)
    expect(await made.apply(served)).toMatchObject({ deleted: 1 })
    await client.answered()
  })

  it('is established once the node has got the address whose port it tried', async () => {
    const made = await scene()
    await made.apply({ ...served, frontends: [{ kind: 'node', port: PORT }] })
    const client = await tried(made)
    await made.network.node.ip('address', 'add', VIP[family], 'dev', 'host0', ...(family === 'ip6' ? ['nodad'] : []))
    expect(await made.nextReport()).toMatchObject({ frontends: 1, deleted: 1 })
    await client.answered()
  })

  it('is left alone where told so', async () => {
    const made = await scene({ staleFlows: { tcp: 'never' } })
    await tried(made)
    expect(await made.apply(served)).toBeUndefined()
  })
})
