import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { NetlinkError, UnsupportedError, ValidationError } from '../../../src/errors.js'
import type { DeleteFlowsReport, FlowFilter } from '../../../src/conntrack/index.js'
import { StaleFlows, type StaleFlowReport } from '../../../src/plane/flows/engine.js'
import { checkStaleFlowOptions, type StaleFlowOptions } from '../../../src/plane/flows/options.js'
import { compareTargets, filterOf } from '../../../src/plane/flows/targets.js'
import type { Endpoint, Service } from '../../../src/plane/model.js'

const { policies } = checkStaleFlowOptions({})

const endpoint = (last: number, more: Partial<Endpoint> = {}): Endpoint => ({ address: `10.1.0.${last}`, port: 8080, ...more })

function dns(endpoints: readonly Endpoint[], more: Partial<Service> = {}): Service {
  return { name: 'dns', protocol: 'udp', frontends: [{ kind: 'cluster', address: '10.96.0.10', port: 53 }], endpoints, ...more }
}

describe('what a change asks of the flows', () => {
  const staleKeys = (before: Service | undefined, after: Service | undefined): string[] => [
    ...compareTargets([{ before, after }], policies).stale.keys()
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
    ['a TCP service goes', dns([endpoint(1)], { protocol: 'tcp' }), undefined, false]
  ])('%s', (_, before, after, isStale) => {
    expect(staleKeys(before, after)).toEqual(isStale ? ['udp 10.96.0.10 53'] : [])
  })

  it('counts draining endpoints and weight 0 as gone where told so', () => {
    const strict = checkStaleFlowOptions({ udp: 'not-serving' }).policies
    for (const more of [{ state: 'draining' }, { weight: 0 }] as const)
      expect(compareTargets([{ before: dns([endpoint(1)]), after: dns([endpoint(1, more)]) }], strict).stale.size).toBe(1)
  })

  it('goes by frontends, not by services, and by addresses, not by how they are written', () => {
    const six = (address: string): Partial<Service> => ({ frontends: [{ kind: 'cluster', address, port: 53 }] })
    const servers = [{ address: 'fd00::1', port: 1 }]
    const transitions = [{ before: dns(servers, six('FD00:0::A')) }, { after: dns(servers, { name: 'other', ...six('fd00::a') }) }]
    const { stale, current } = compareTargets(transitions, policies)
    expect([...stale.keys()]).toEqual([])
    expect([...current.keys()]).toEqual(['udp fd00::a 53'])
  })

  it('pairs frontends and endpoints by family', () => {
    const both = dns([endpoint(1), { address: 'fd00::1', port: 8080 }], {
      frontends: [
        { kind: 'cluster', address: '10.96.0.10', port: 53 },
        { kind: 'cluster', address: 'fd00::a', port: 53 }
      ]
    })
    const { stale } = compareTargets([{ after: both }], policies)
    expect([...stale.values()].map(({ allowed }) => [...allowed.values()])).toEqual([[endpoint(1)], [{ address: 'fd00::1', port: 8080 }]])
  })

  it('makes filters: who may not answer, or whatever was translated to a frontend that is gone', () => {
    const { stale } = compareTargets([{ before: dns([endpoint(1)]), after: dns([endpoint(2)]) }], policies)
    const filter = filterOf([...stale.values()][0]!)
    expect({ ...filter, replySourceNotIn: [...filter.replySourceNotIn!] }).toEqual({
      protocol: 'udp',
      family: 'ip',
      originalDestination: ['10.96.0.10'],
      originalDestinationPort: 53,
      replySourceNotIn: [endpoint(2)]
    })
    const gone = compareTargets([{ before: dns([endpoint(1)]) }], policies)
    expect(filterOf([...gone.stale.values()][0]!)).toMatchObject({ nat: 'destination' })
    expect(filterOf([...gone.stale.values()][0]!).replySourceNotIn).toBeUndefined()
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

  async deleteWhere(filter: FlowFilter | readonly FlowFilter[]): Promise<DeleteFlowsReport> {
    this.calls.push('protocol' in filter ? [filter] : [...(filter as readonly FlowFilter[])])
    await new Promise<void>((resolve, reject) => this.waiting.push({ resolve, reject }))
    return { scanned: 9, matched: 1, deleted: 1, vanished: 0, kernelFiltered: true, systemCalls: 3 }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

const tick = (milliseconds = 15): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

function engine(options: StaleFlowOptions = {}): { flows: StaleFlows; cutter: Cutter; reports: StaleFlowReport[]; errors: Error[] } {
  const cutter = new Cutter()
  const reports: StaleFlowReport[] = []
  const errors: Error[] = []
  const settings = checkStaleFlowOptions({ minIntervalMs: 0, secondLookMs: 0, ...options })
  const flows = new StaleFlows(() => Promise.resolve(cutter), settings, {
    onReport: (report) => reports.push(report),
    onError: (error) => errors.push(error)
  })
  onTestFinished(async () => {
    for (const { resolve } of cutter.waiting) resolve()
    await flows.close()
  })
  return { flows, cutter, reports, errors }
}

describe('the engine', () => {
  const removal = { before: dns([endpoint(1)]), after: dns([endpoint(2)]) }

  it('looks at once, by itself, and reports', async () => {
    const { flows, cutter, reports } = engine()
    flows.note([removal])
    expect(flows.pending).toBe(1)
    await tick()
    cutter.waiting[0]!.resolve()
    await tick()
    expect(reports).toMatchObject([{ frontends: 1, scanned: 9, deleted: 1, kernelFiltered: true }])
    expect(flows.pending).toBe(0)
  })

  it('puts together what comes while it looks, and goes by the latest', async () => {
    const { flows, cutter } = engine()
    flows.note([removal])
    await tick()
    flows.note([{ before: dns([endpoint(2)]), after: dns([endpoint(3)]) }])
    flows.note([{ before: dns([endpoint(3)]), after: dns([endpoint(3), endpoint(4)]) }])
    cutter.waiting[0]!.resolve()
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(2), 5000)
    expect([...cutter.calls[1]![0]!.replySourceNotIn!].map(({ address }) => address)).toEqual(['10.1.0.3', '10.1.0.4'])
  })

  it('holds a change up only while it looks by what is about to change', async () => {
    const { flows, cutter } = engine()
    await flows.settle([removal])
    flows.note([removal])
    await tick()
    expect(flows.isLooking).toBe(true)
    const elsewhere = dns([], { frontends: [{ kind: 'cluster', address: '10.96.0.99', port: 53 }] })
    await flows.settle([{ after: elsewhere }])
    let isSettled = false
    const settled = flows.settle([{ before: dns([endpoint(2)]), after: dns([endpoint(2), endpoint(3)]) }]).then(() => (isSettled = true))
    await tick()
    expect(isSettled).toBe(false)
    cutter.waiting[0]!.resolve()
    await settled
  })

  it('tries again after a refusal, later each time', async () => {
    const { flows, cutter, errors } = engine()
    flows.note([removal])
    await tick()
    cutter.waiting[0]!.reject(new NetlinkError({ errno: 12, operation: 'conntrack.deleteWhere' }))
    await tick()
    expect(errors).toMatchObject([{ code: 'ENOMEM' }])
    expect(cutter.calls).toHaveLength(1)
    expect(flows.pending).toBe(1)
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(2), 5000)
  })

  it('gives up what the machine cannot do', async () => {
    const { flows, cutter, errors } = engine()
    flows.note([removal])
    await tick()
    cutter.waiting[0]!.reject(new UnsupportedError('nf_conntrack_netlink', 'modprobe nf_conntrack_netlink'))
    await tick()
    expect(errors).toMatchObject([{ code: 'ERR_NETPLANE_UNSUPPORTED' }])
    expect(flows.pending).toBe(0)
  })

  it('rests nine times as long as a look took', async () => {
    const { flows, cutter } = engine()
    flows.note([removal])
    await tick(100)
    cutter.waiting[0]!.resolve()
    await tick()
    flows.note([removal])
    await tick(200)
    expect(cutter.calls).toHaveLength(1)
    await vi.waitFor(() => expect(cutter.calls).toHaveLength(2), 5000)
  })
})
