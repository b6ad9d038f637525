import { frontendKeys } from '../../../../src/plane/core/frontend.js'
import type { FrontendKey } from '../../../../src/plane/core/frontend.js'
import { NO_ADDRESSES, type NodeAddressList } from '../../../../src/plane/core/node/addresses.js'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Flow, RemoveFlowsReport, FlowFilter } from '../../../../src/conntrack/index.js'
import { NetlinkError, UnsupportedError, ValidationError } from '../../../../src/core/errors.js'
import { Slices } from '../../../../src/core/slices.js'
import type { StaleFlowReport } from '../../../../src/index.js'
import { StaleFlowCleaner } from '../../../../src/plane/flows/cleaner.js'
import { checkStaleFlowOptions, type StaleFlowOptions } from '../../../../src/plane/flows/options.js'
import { filtersOf } from '../../../../src/plane/flows/filters.js'
import { compareTargets, type TargetChanges } from '../../../../src/plane/flows/targets.js'
import type { Endpoint, Service } from '../../../../src/plane/model.js'

const { policies } = checkStaleFlowOptions({})

type Change = { readonly before?: Service | undefined; readonly after?: Service | undefined }

const compare = (changes: readonly Change[], by = policies): Promise<TargetChanges> => compareTargets(changes, by, new Slices())

const endpoint = (last: number, more: Partial<Endpoint> = {}): Endpoint => ({ address: `10.1.0.${last}`, port: 8080, ...more })

const filters = (stale: TargetChanges['stale'], addresses: NodeAddressList = NO_ADDRESSES): Promise<FlowFilter[]> =>
  filtersOf(stale.values(), { nodeAddresses: addresses, leadsTo: 'endpoints' }, new Slices())

function dns(endpoints: readonly Endpoint[], more: Partial<Service> = {}): Service {
  return { name: 'dns', protocol: 'udp', frontends: [{ kind: 'cluster', address: '10.96.0.10', port: 53 }], endpoints, ...more }
}

it('flows that lead to relays are known by the ports of these, whatever the addresses', async () => {
  const at = (...ports: number[]): Service => dns(ports.map((port) => ({ address: '192.0.2.1', port })))
  const { stale } = await compare([{ before: at(40), after: at(41, 45, 42) }])
  const [filter] = await filtersOf(stale.values(), { nodeAddresses: NO_ADDRESSES, leadsTo: 'ports' }, new Slices())
  expect(filter).not.toHaveProperty('replySourceNotIn')
  expect(filter!.replySourcePort).toEqual([
    { first: 0, last: 40 },
    { first: 43, last: 44 },
    { first: 46, last: 65_535 }
  ])
  const gone = await compare([{ before: at(1), after: at() }])
  const [all] = await filtersOf(gone.stale.values(), { nodeAddresses: NO_ADDRESSES, leadsTo: 'ports' }, new Slices())
  expect(all).not.toHaveProperty('replySourcePort')
})

describe('what a change asks of the flows', () => {
  const staleKeys = async (before: Service | undefined, after: Service | undefined): Promise<FrontendKey[]> => [
    ...(await compare([{ before, after }])).stale.keys()
  ]

  it.each<[string, Service | undefined, Service | undefined, boolean]>([
    ['a service comes', undefined, dns([endpoint(1)]), true],
    ['a service comes without endpoints', undefined, dns([]), true],
    ['an endpoint goes', dns([endpoint(1), endpoint(2)]), dns([endpoint(2)]), true],
    ['an endpoint changes its port', dns([endpoint(1)]), dns([endpoint(1, { port: 9 })]), true],
    ['the last endpoint goes', dns([endpoint(1)]), dns([]), true],
    ['the first endpoint comes', dns([]), dns([endpoint(1)]), true],
    ['the service goes', dns([endpoint(1)]), undefined, true],
    ['an endpoint comes beside others', dns([endpoint(1)]), dns([endpoint(1), endpoint(2)]), false],
    ['an endpoint drains', dns([endpoint(1)]), dns([endpoint(1, { state: 'draining' })]), false],
    ['a weight changes to 0', dns([endpoint(1)]), dns([endpoint(1, { weight: 0 })]), false],
    ['nothing changes', dns([endpoint(1)]), dns([endpoint(1)]), false],
    ['a TCP service goes', dns([endpoint(1)], { protocol: 'tcp' }), undefined, false],
    ['a TCP service comes', undefined, dns([endpoint(1)], { protocol: 'tcp' }), true],
    ['a TCP service comes without endpoints', undefined, dns([], { protocol: 'tcp' }), false],
    ['the first endpoint of a TCP service comes', dns([], { protocol: 'tcp' }), dns([endpoint(1)], { protocol: 'tcp' }), true],
    [
      'an endpoint of a TCP service goes',
      dns([endpoint(1), endpoint(2)], { protocol: 'tcp' }),
      dns([endpoint(2)], { protocol: 'tcp' }),
      false
    ]
  ])('%s', async (_, before, after, isStale) => {
    expect(await staleKeys(before, after)).toEqual(isStale ? frontendKeys((before ?? after)!) : [])
  })

  it('counts draining endpoints and weight 0 as gone where told so', async () => {
    const strict = checkStaleFlowOptions({ udp: 'not-serving' }).policies
    for (const more of [{ state: 'draining' }, { weight: 0 }] as const)
      expect((await compare([{ before: dns([endpoint(1)]), after: dns([endpoint(1, more)]) }], strict)).stale.size).toBe(1)
  })

  it('goes by frontends, not by services, and by addresses, not by how they are written', async () => {
    const six = (address: string): Partial<Service> => ({ frontends: [{ kind: 'cluster', address, port: 53 }] })
    const servers = [{ address: 'fd00::1', port: 1 }]
    const transitions = [{ before: dns(servers, six('FD00:0::A')) }, { after: dns(servers, { name: 'other', ...six('fd00::a') }) }]
    const { stale, current } = await compare(transitions)
    expect([...stale.keys()]).toEqual([])
    expect([...current.keys()]).toEqual(['udp fd00::a 53'])
  })

  it('pairs frontends and endpoints by family', async () => {
    const both = dns([endpoint(1), { address: 'fd00::1', port: 8080 }], {
      frontends: [
        { kind: 'cluster', address: '10.96.0.10', port: 53 },
        { kind: 'cluster', address: 'fd00::a', port: 53 }
      ]
    })
    const { stale } = await compare([{ after: both }])
    expect([...stale.values()].map(({ allowed }) => [...allowed.values()])).toEqual([[endpoint(1)], [{ address: 'fd00::1', port: 8080 }]])
  })

  it('makes filters: who may not answer, or whatever was translated to a frontend that is gone', async () => {
    const { stale } = await compare([{ before: dns([endpoint(1)]), after: dns([endpoint(2)]) }])
    const [filter] = await filters(stale)
    expect({ ...filter, replySourceNotIn: [...filter!.replySourceNotIn!] }).toEqual({
      protocol: 'udp',
      family: 'ip',
      originalDestination: ['10.96.0.10'],
      originalDestinationPort: 53,
      replySourceNotIn: [endpoint(2)]
    })
    const gone = await compare([{ before: dns([endpoint(1)]) }])
    const [translated] = await filters(gone.stale)
    expect(translated).toMatchObject({ nat: 'destination' })
    expect(translated!.replySourceNotIn).toBeUndefined()
  })

  it("makes filters of this node's addresses for a port of it, and none where it has none", async () => {
    const { stale } = await compare([{ after: dns([endpoint(1)], { frontends: [{ kind: 'node', port: 30_053 }] }) }])
    const addresses = { ip: ['192.0.2.1', '192.0.2.2'], ip6: [] }
    expect(await filters(stale, addresses)).toMatchObject([
      { family: 'ip', originalDestination: addresses.ip, originalDestinationPort: 30_053 }
    ])
  })

  it('makes few filters for many frontends of which untranslated flows alone are meant', async () => {
    const web = (number: number): Service => ({
      ...{ name: `web-${number}`, protocol: 'tcp', endpoints: [endpoint(1)] },
      frontends: [
        { kind: 'cluster', address: `10.96.${number >> 8}.${number & 255}`, port: 80 },
        { kind: 'node', port: 30_000 + number, family: 'ip' }
      ]
    })
    const { stale } = await compare(Array.from({ length: 1500 }, (_, number) => ({ after: web(number) })))
    const [first, second, ports, ...others] = await filters(stale, { ip: ['192.0.2.1'], ip6: [] })
    const untranslated = { protocol: 'tcp', family: 'ip', status: { 'destination-nat': false, 'seen-reply': false } }
    expect([...first!.originalDestinationIn!, ...second!.originalDestinationIn!]).toHaveLength(1500)
    expect([...first!.originalDestinationIn!][1]).toEqual({ address: '10.96.0.1', port: 80 })
    for (const filter of [first, second, ports]) expect(filter).toMatchObject(untranslated)
    expect(ports).toMatchObject({ originalDestination: ['192.0.2.1'], originalDestinationPort: [{ first: 30_000, last: 31_499 }] })
    expect(others).toEqual([])
  })
})

it.each<[StaleFlowOptions, string]>([
  [{ udp: 'all' as 'gone' }, 'staleFlows.udp'],
  [{ minIntervalMs: -1 }, 'staleFlows.minIntervalMs'],
  [{ secondLookMs: Number.NaN }, 'staleFlows.secondLookMs']
])('refuses %j', (options, path) => {
  expect(() => checkStaleFlowOptions(options)).toThrow(ValidationError)
  expect(() => checkStaleFlowOptions(options)).toThrow(path)
})

/** A conntrack that notes what it is asked, and answers when it is told to. */
class Cutter {
  readonly calls: FlowFilter[][] = []
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  /** At the end nobody tells it to answer. */
  isAtEnd = false

  async removeWhere(filter: FlowFilter | readonly FlowFilter[]): Promise<RemoveFlowsReport> {
    this.calls.push('protocol' in filter ? [filter] : [...(filter as readonly FlowFilter[])])
    if (!this.isAtEnd) await new Promise<void>((resolve, reject) => this.waiting.push({ resolve, reject }))
    return { scanned: 9, matched: 1, removed: 1, vanished: 0, kernelFiltered: true, systemCalls: 3 }
  }

  /** Flows that are not translated. */
  tried: readonly Flow[] = []

  count(): Promise<number> {
    return Promise.resolve(this.tried.length)
  }

  list(): Promise<Flow[]> {
    return Promise.resolve([...this.tried])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

const tick = (milliseconds = 15): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

function engine(options: StaleFlowOptions = {}): { flows: StaleFlowCleaner; cutter: Cutter; reports: StaleFlowReport[]; errors: Error[] } {
  const cutter = new Cutter()
  const reports: StaleFlowReport[] = []
  const errors: Error[] = []
  const settings = checkStaleFlowOptions({ minIntervalMs: 0, secondLookMs: 0, ...options })
  const listener = { onReport: (report: StaleFlowReport) => reports.push(report), onError: (error: Error) => errors.push(error) }
  const flows = new StaleFlowCleaner(
    () => Promise.resolve(cutter),
    settings,
    listener,
    () => ({ ip: ['192.0.2.1'], ip6: [] })
  )
  onTestFinished(async () => {
    cutter.isAtEnd = true
    for (const { resolve } of cutter.waiting) resolve()
    await flows.close()
  })
  return { flows, cutter, reports, errors }
}

describe('the engine', () => {
  const removal = { before: dns([endpoint(1)]), after: dns([endpoint(2)]) }

  it('looks at once, by itself, and reports', async () => {
    const { flows, cutter, reports } = engine()
    flows.after([removal])
    await tick()
    expect(flows.status().pending).toBe(1)
    cutter.waiting[0]!.resolve()
    await tick()
    expect(reports).toMatchObject([{ frontends: 1, scanned: 9, deleted: 1, kernelFiltered: true }])
    expect(flows.status().pending).toBe(0)
  })

  it('looks at one family after the other, and reports both', async () => {
    const dual = (...endpoints: Endpoint[]): Service =>
      dns(endpoints, {
        frontends: [
          { kind: 'cluster', address: '10.96.0.10', port: 53 },
          { kind: 'cluster', address: 'fd00::10', port: 53 }
        ]
      })
    const own = [endpoint(1), endpoint(1, { address: 'fd00:1::1' })]
    const { flows, cutter, reports, errors } = engine()
    const change = { before: dual(...own), after: undefined }
    flows.after([change])
    await tick()
    cutter.waiting[0]!.resolve()
    await tick()
    cutter.waiting[1]!.resolve()
    await tick()
    expect(cutter.calls.map((call) => call.map(({ family }) => family))).toEqual([['ip'], ['ip6']])
    expect(reports).toMatchObject([{ scanned: 18, deleted: 2, families: { ip: { deleted: 1 }, ip6: { deleted: 1 } } }])
    // What the first one has deleted counts, whatever becomes of the second.
    flows.after([change])
    await vi.waitFor(() => expect(cutter.waiting).toHaveLength(3), 5000)
    cutter.waiting[2]!.resolve()
    await tick()
    cutter.waiting[3]!.reject(new ValidationError('family', 'ip6', 'none'))
    await tick()
    expect(errors).toHaveLength(1)
    expect(flows.status()).toEqual({ deleted: 3, pending: 2 })
  })

  it('looks for untranslated flows of those frontends alone that have been tried, unless there are too many', async () => {
    const { flows, cutter, reports } = engine()
    const web = (number: number): Change => ({
      after: dns([endpoint(1)], {
        ...{ name: `web-${number}`, protocol: 'tcp' },
        frontends: [{ kind: 'cluster', address: `10.96.1.${number}`, port: 80 }]
      })
    })
    const both = [web(1), web(2)]
    const flow = (destination: string): Flow =>
      ({ family: 'ip', protocol: 'tcp', original: { source: '192.0.2.1', destination, destinationPort: 80 } }) as Flow
    flows.after(both)
    await vi.waitFor(() => expect(reports).toMatchObject([{ frontends: 2, deleted: 0 }]))
    expect(cutter.calls).toEqual([])
    const asked = async (tried: readonly Flow[]): Promise<readonly string[]> => {
      cutter.tried = tried
      flows.after(both)
      const { length } = cutter.calls
      await vi.waitFor(() => expect(cutter.calls).toHaveLength(length + 1), 5000)
      cutter.waiting.at(-1)!.resolve()
      await vi.waitFor(() => expect(flows.status().pending).toBe(0))
      return cutter.calls.at(-1)!.flatMap(({ originalDestinationIn = [] }) => [...originalDestinationIn].map(({ address }) => address))
    }
    expect(await asked([flow('10.96.1.2'), flow('198.51.100.9')])).toEqual(['10.96.1.2'])
    expect(await asked(Array.from({ length: 1001 }, () => flow('198.51.100.9')))).toEqual(['10.96.1.1', '10.96.1.2'])
  })

  it('puts together what comes while it looks, and goes by the latest', async () => {
    const { flows, cutter } = engine()
    flows.after([removal])
    await tick()
    flows.after([{ before: dns([endpoint(2)]), after: dns([endpoint(3)]) }])
    flows.after([{ before: dns([endpoint(3)]), after: dns([endpoint(3), endpoint(4)]) }])
    cutter.waiting[0]!.resolve()
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(2), 5000)
    expect([...cutter.calls[1]![0]!.replySourceNotIn!].map(({ address }) => address)).toEqual(['10.1.0.3', '10.1.0.4'])
  })

  it('holds a change up only while it looks by what is about to change', async () => {
    const { flows, cutter } = engine()
    await flows.before([removal])
    flows.after([removal])
    flows.done()
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(1), 5000)
    const elsewhere = dns([], { frontends: [{ kind: 'cluster', address: '10.96.0.99', port: 53 }] })
    await flows.before([{ after: elsewhere }])
    flows.done()
    let isSettled = false
    const settled = flows.before([{ before: dns([endpoint(2)]), after: dns([endpoint(2), endpoint(3)]) }]).then(() => (isSettled = true))
    await tick()
    expect(isSettled).toBe(false)
    cutter.waiting[0]!.resolve()
    await settled
    flows.done()
  })

  it('begins no look while a change is being made: it would not know where flows may lead', async () => {
    const { flows, cutter } = engine()
    await flows.before([removal])
    flows.after([removal])
    await tick(50)
    expect(cutter.calls).toHaveLength(0)
    flows.done()
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(1), 5000)
  })

  it('takes changes in the order in which they are made, whatever they cost', async () => {
    const { flows, cutter } = engine()
    const many = Array.from({ length: 20_000 }, (_, index) => ({
      after: dns([endpoint(1)], {
        name: `s${index}`,
        frontends: [{ kind: 'cluster', address: `10.97.${index >> 8}.${index & 255}`, port: 53 }]
      })
    }))
    flows.reset(new Map(many.map(({ after }) => [after.name, after])), [])
    const [{ after: first }] = many as [{ after: Service }]
    flows.after([{ before: first, after: { ...first, endpoints: [endpoint(1), endpoint(2)] } }])
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(1), 5000)
    const filter = cutter.calls[0]!.find(({ originalDestination }) => [originalDestination].flat().includes('10.97.0.0'))
    expect([...filter!.replySourceNotIn!]).toHaveLength(2)
  })

  it('looks at ports of the node alone when its addresses change', async () => {
    const { flows, cutter, reports } = engine()
    const [onCluster, onNode] = [dns([endpoint(1)]), dns([endpoint(1)], { name: 'node', frontends: [{ kind: 'node', port: 30_053 }] })]
    const web = dns([endpoint(1)], { name: 'web', protocol: 'tcp', frontends: [{ kind: 'node', port: 30_080 }] })
    flows.nodeAddressesChanged(new Map([onCluster, onNode, web].map((service) => [service.name, service])))
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(1), 5000)
    expect(cutter.calls[0]).toMatchObject([{ protocol: 'udp', originalDestination: ['192.0.2.1'], originalDestinationPort: 30_053 }])
    cutter.waiting[0]!.resolve()
    await vi.waitFor(() => expect(reports).toHaveLength(1), 5000)
    flows.nodeAddressesChanged(new Map([['dns', onCluster]]))
    await tick(50)
    expect(cutter.calls).toHaveLength(1)
  })

  it('tries again after a refusal, later each time', async () => {
    const { flows, cutter, errors } = engine()
    flows.after([removal])
    await tick()
    cutter.waiting[0]!.reject(new NetlinkError({ errno: 12, operation: 'conntrack.removeWhere' }))
    await tick()
    expect(errors).toMatchObject([{ code: 'ENOMEM' }])
    expect(cutter.calls).toHaveLength(1)
    expect(flows.status().pending).toBe(1)
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(2), 5000)
  })

  it('gives up what the machine cannot do', async () => {
    const { flows, cutter, errors } = engine()
    flows.after([removal])
    await tick()
    cutter.waiting[0]!.reject(new UnsupportedError('nf_conntrack_netlink', 'modprobe nf_conntrack_netlink'))
    await tick()
    expect(errors).toMatchObject([{ code: 'ERR_NETPLANE_UNSUPPORTED' }])
    expect(flows.status().pending).toBe(0)
  })

  it('rests nine times as long as a look took', async () => {
    const { flows, cutter } = engine()
    flows.after([removal])
    await tick(100)
    cutter.waiting[0]!.resolve()
    await tick()
    flows.after([removal])
    await tick(200)
    expect(cutter.calls).toHaveLength(1)
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(2), 5000)
  })

  it('does not rest where the kernel did not hold the services', async () => {
    const { flows, cutter } = engine({ minIntervalMs: 60_000 })
    flows.after([removal])
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(1), 5000)
    cutter.waiting[0]!.resolve()
    await vi.waitFor(() => expect(flows.status().pending).toBe(0))
    const services = new Map([['default/dns', removal.after]])
    flows.reset(services, [])
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(2), 5000)
    // Also while it looks.
    flows.reset(services, [])
    cutter.waiting[1]!.resolve()
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(3), 5000)
    cutter.waiting[2]!.resolve()
    await vi.waitFor(() => expect(flows.status().pending).toBe(0))
    flows.after([removal])
    await tick(200)
    expect(cutter.calls).toHaveLength(3)
    const closing = flows.close()
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(4), 5000)
    cutter.waiting[3]!.resolve()
    await closing
  })
})
