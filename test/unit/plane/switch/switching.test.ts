import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  ClosedError,
  NetlinkError,
  openPlane,
  PLANE_MODES,
  UnsupportedError,
  ValidationError,
  type Plane,
  type PlaneEvent,
  type PlaneMode,
  type PlaneOptions,
  type Service,
  type SwitchOptions
} from '../../../../src/index.js'
import { EPERM } from '../../../../src/core/errno.js'
import { FakeConntrackKernel, FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'
import { faulty, type Injector } from '../../../support/faulty-kernel.js'

const makeKernel = () => ({
  nftables: new FakeNftablesKernel(),
  ipvs: new FakeIpvsKernel(),
  route: new FakeRouteKernel(),
  conntrack: new FakeConntrackKernel()
})
type Kernel = ReturnType<typeof makeKernel>

const web = (overrides: Partial<Service> = {}): Service => ({
  name: 'web',
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 80 },
    { kind: 'external', address: '198.51.100.1', port: 80 },
    { kind: 'node', port: 30080 }
  ],
  endpoints: [
    { address: '10.1.0.1', port: 8080 },
    { address: '10.1.0.2', port: 8080 }
  ],
  ...overrides
})

const dns: Service = {
  name: 'dns',
  protocol: 'udp',
  frontends: [{ kind: 'cluster', address: 'fd00:96::53', port: 53 }],
  endpoints: [{ address: 'fd00:1::53', port: 53 }]
}

const both = new Map([web(), dns].map((service) => [service.name, service]))

const optionsOf = (mode: PlaneMode, kernel: object, more: object = {}): PlaneOptions =>
  ({ mode, kernel, auditMs: 0, staleFlows: false, ...more }) as PlaneOptions

async function opened(options: PlaneOptions): Promise<Plane> {
  const plane = await openPlane(options)
  onTestFinished(() => plane.close())
  return plane
}

function eventsOf(plane: Plane): PlaneEvent[] {
  const seen: PlaneEvent[] = []
  void (async () => {
    for await (const event of plane.watch()) seen.push(event)
  })()
  return seen
}

/** Everything there is, but for what differs with the ports of relays. */
async function holdings({ nftables, ipvs, route }: Kernel): Promise<string[]> {
  await using nft = await nftables.open()
  await using services = await ipvs.open()
  await using links = await route.open()
  const { tables, chains, rules, elements } = await nft.list({ elements: true })
  return [
    ...tables.map(({ family, name, comment }) => `table ${family} ${name} ${comment ?? ''}`),
    ...chains.map(({ family, table, name }) => `chain ${family} ${table} ${name}`),
    ...rules.map(({ family, table, chain }) => `rule ${family} ${table} ${chain}`),
    ...elements.map((listed) => `elements ${listed.set.table} ${listed.set.name} ${[...listed].length}`),
    ...(await services.list()).map(
      ({ address, fwmark, realServers }) => `ipvs ${address ?? fwmark} ${realServers.map(({ weight }) => weight).join()}`
    ),
    ...(await links.listLinks()).map(({ name }) => `link ${name}`),
    ...(await links.listAddresses()).map(({ address }) => `address ${address}`)
  ].sort()
}

async function fresh(mode: PlaneMode, services = both): Promise<string[]> {
  const kernel = makeKernel()
  const plane = await opened(optionsOf(mode, kernel))
  await plane.sync(services)
  return await holdings(kernel)
}

const pairs = PLANE_MODES.flatMap((from) => PLANE_MODES.filter((to) => to !== from).map((to) => [from, to] as const))
const soon = { timeout: 20_000, interval: 20 }
/** Tests that make many planes one after the other. */
const MANY_MS = 120_000

describe.each(pairs)('%s to %s', (from, to) => {
  it('leaves what a new plane makes, and nothing else', async () => {
    const kernel = makeKernel()
    const plane = await opened(optionsOf(from, kernel))
    const events = eventsOf(plane)
    await plane.sync(both)
    const report = await plane.switchTo(optionsOf(to, kernel))
    expect(report).toMatchObject({ from, to, sync: { quarantined: [], services: { added: 2 } } })
    expect(plane.status()).toMatchObject({ services: 2, details: { mode: to } })
    await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
    expect(await holdings(kernel)).toEqual(await fresh(to))
    await vi.waitFor(() => expect(events.map(({ type }) => type)).toEqual(['switched', 'left']), soon)
    expect((await plane.plan(both)).isEmpty).toBe(true)
    await plane.update({ delete: ['dns'] })
    expect(await holdings(kernel)).toEqual(await fresh(to, new Map([['web', web()]])))
    await plane.close({ cleanup: true })
    expect(await holdings(kernel)).toEqual(await holdings(makeKernel()))
  })

  it(
    'is finished by the next plane, of either mode, wherever it was interrupted',
    async () => {
      const { steps } = await interrupted(from, to, Infinity)
      for (const at of new Set([1, Math.ceil(steps / 2), steps - 1, steps])) {
        const { kernel } = await interrupted(from, to, at)
        const mode = at % 2 === 0 ? to : from
        const next = await opened(optionsOf(mode, kernel))
        await next.sync(both)
        await vi.waitFor(() => expect(next.status().leaving).toBeUndefined(), soon)
        expect([at, mode, await holdings(kernel)]).toEqual([at, mode, await fresh(mode)])
        expect((await next.plan(both)).isEmpty).toBe(true)
      }
    },
    MANY_MS
  )

  it(
    'stays as it is where the new mode is refused something',
    async () => {
      const { steps } = await interrupted(from, to, Infinity)
      for (let at = 1; at <= Math.min(steps, 4); at++) {
        const kernel = makeKernel()
        const state = { left: Infinity }
        const plane = await opened(optionsOf(from, faulty(kernel, refusing(state))))
        await plane.sync(both)
        const before = await holdings(kernel)
        state.left = at
        const outcome = await plane.switchTo(optionsOf(to, faulty(kernel, refusing(state)))).catch((error: unknown) => error)
        const mode = outcome instanceof Error ? from : to
        if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'EPERM' })
        expect(plane.status()).toMatchObject({ services: 2, details: { mode } })
        await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
        expect([at, mode, await holdings(kernel)]).toEqual([at, mode, mode === from ? before : await fresh(to)])
      }
    },
    MANY_MS
  )
})

const WRITES = new Set(['commit', 'change', 'changeLink', 'changeAddresses'])

/** Refuses one write: when so many are left. */
function refusing(state: { left: number }): Injector {
  return (operation) => (WRITES.has(operation) && --state.left === 0 ? { type: 'refuse', errno: EPERM } : undefined)
}

/** A switch after whose so many writes, less one, the process ends: nothing that it does from then on comes to anything. */
async function interrupted(from: PlaneMode, to: PlaneMode, at: number): Promise<{ readonly kernel: Kernel; readonly steps: number }> {
  const kernel = makeKernel()
  const state = { isArmed: false, steps: 0 }
  const inject: Injector = (operation) => {
    if (!state.isArmed || !WRITES.has(operation)) return undefined
    state.steps++
    return state.steps < at ? undefined : { type: 'refuse', errno: EPERM }
  }
  const own = faulty(kernel, inject)
  const plane = await openPlane(optionsOf(from, own))
  await plane.sync(both)
  state.isArmed = true
  const outcome = await plane.switchTo(optionsOf(to, own)).catch((error: unknown) => error)
  if (at === Infinity) {
    expect(outcome).not.toBeInstanceOf(Error)
    await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
  }
  await plane.close()
  return { kernel, steps: state.steps }
}

it('checks what it is given before anything is done', async () => {
  const kernel = makeKernel()
  const plane = await opened(optionsOf('nftables', kernel))
  await expect(plane.switchTo(optionsOf('iptables', kernel))).rejects.toMatchObject({ code: 'ERR_NETPLANE_BUSY' })
  await plane.sync(both)
  const before = await holdings(kernel)
  for (const [options, how, path] of [
    [optionsOf('nftables', kernel), {}, 'mode'],
    [optionsOf('other' as PlaneMode, kernel), {}, 'mode'],
    [undefined, {}, 'options'],
    [optionsOf('iptables', kernel, { name: 'blue' }), {}, 'name'],
    [optionsOf('iptables', kernel, { netns: 'blue' }), {}, 'netns'],
    [optionsOf('iptables', kernel, { replaces: ['iptables'] }), {}, 'replaces[0]'],
    [optionsOf('iptables', kernel, { replaces: ['ipvs', 'ipvs'] }), {}, 'replaces'],
    [optionsOf('iptables', kernel), { drainSeconds: -1 }, 'how.drainSeconds'],
    [optionsOf('iptables', kernel), { onError: 'ignore' }, 'options.onError'],
    [optionsOf('iptables', kernel), { drain: 1 }, 'how.drain']
  ] as const) {
    const error: unknown = await plane.switchTo(options as PlaneOptions, how as SwitchOptions).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ValidationError)
    expect(error).toMatchObject({ path })
  }
  expect(await holdings(kernel)).toEqual(before)
  await plane.close()
  await expect(plane.switchTo(optionsOf('iptables', kernel))).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
})

const sctp: Service = { ...dns, name: 'sctp', protocol: 'sctp' }

it('stays where the new mode cannot carry a service, unless it may be left out', async () => {
  const kernel = makeKernel()
  const plane = await opened(optionsOf('nftables', kernel))
  await plane.sync(new Map([...both, ['sctp', sctp]]))
  const before = await holdings(kernel)
  await expect(plane.switchTo(optionsOf('userspace', kernel))).rejects.toBeInstanceOf(UnsupportedError)
  await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
  expect(await holdings(kernel)).toEqual(before)
  expect(plane.status()).toMatchObject({ services: 3, details: { mode: 'nftables' } })
  const report = await plane.switchTo(optionsOf('userspace', kernel), { onError: 'isolate' })
  expect(report.sync.quarantined).toMatchObject([{ service: 'sctp' }])
  expect(plane.status()).toMatchObject({ services: 2, quarantined: [{ service: 'sctp' }], details: { mode: 'userspace' } })
})

it('keeps what was in quarantine there', async () => {
  const kernel = makeKernel()
  const plane = await opened(optionsOf('nftables', kernel))
  const wlc = web({ name: 'wlc', scheduler: 'wlc', frontends: [{ kind: 'cluster', address: '10.96.0.9', port: 80 }] })
  await plane.sync(new Map([...both, ['wlc', wlc]]))
  expect(plane.status().quarantined).toMatchObject([{ service: 'wlc' }])
  const events = eventsOf(plane)
  await plane.switchTo(optionsOf('ipvs', kernel))
  expect(plane.status().quarantined).toMatchObject([{ service: 'wlc' }])
  await plane.sync(new Map([...both, ['wlc', wlc]]))
  expect(plane.status()).toMatchObject({ services: 3, quarantined: [] })
  await vi.waitFor(() => expect(events.map(({ type }) => type)).toEqual(['switched', 'left', 'released']), soon)
})

it('hands calls on in their order, with what they were given', async () => {
  const kernel = makeKernel()
  const plane = await opened(optionsOf('nftables', kernel))
  const given = new Map(both)
  const first = plane.sync(given)
  const switching = plane.switchTo(optionsOf('iptables', kernel))
  const list = [web({ endpoints: [] })]
  const update = plane.update({ set: list })
  const back = plane.switchTo(optionsOf('nftables', kernel))
  const last = plane.sync(given)
  given.clear()
  list.length = 0
  expect((await first).details.mode).toBe('nftables')
  expect(await switching).toMatchObject({ from: 'nftables', to: 'iptables' })
  expect(await update).toMatchObject({ details: { mode: 'iptables' }, services: { changed: 1 } })
  expect(await back).toMatchObject({ from: 'iptables', to: 'nftables' })
  expect(await last).toMatchObject({ details: { mode: 'nftables' }, services: { changed: 1 } })
  expect(await holdings(kernel)).toEqual(await fresh('nftables'))
})

it('waits for connections of IPVS, and goes back to it without cutting them', async () => {
  const kernel = makeKernel()
  const plane = await opened(optionsOf('ipvs', kernel))
  await plane.sync(both)
  const key = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
  kernel.ipvs.setConnections(key, { address: '10.1.0.1', port: 8080 }, { active: 3, inactive: 1 })
  await plane.switchTo(optionsOf('nftables', kernel), { drainSeconds: 3600 })
  await vi.waitFor(() => expect(plane.status().leaving).toMatchObject([{ mode: 'ipvs', name: 'netplane', connections: 4 }]), soon)
  expect(plane.status().leaving![0]!.remainingMs).toBeGreaterThan(3_500_000)
  const held = await holdings(kernel)
  expect(held).toContain('ipvs 10.96.0.1 0')
  expect(held).toContain('address 10.96.0.1')
  expect(
    held.filter((line) => line.includes('netplane-ipvs')).filter((line) => line.startsWith('rule') && line.includes('filter'))
  ).toEqual([])
  await plane.switchTo(optionsOf('ipvs', kernel))
  expect(plane.status().leaving).toBeUndefined()
  expect(await holdings(kernel)).toEqual(await fresh('ipvs'))
})

it('ends what is left of IPVS at its deadline', async () => {
  const kernel = makeKernel()
  const plane = await opened(optionsOf('ipvs', kernel))
  await plane.sync(both)
  kernel.ipvs.setConnections({ protocol: 'tcp', address: '10.96.0.1', port: 80 }, { address: '10.1.0.1', port: 8080 }, { active: 3 })
  await plane.switchTo(optionsOf('nftables', kernel), { drainSeconds: 1 })
  expect(plane.status().leaving).toHaveLength(1)
  await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
  expect(await holdings(kernel)).toEqual(await fresh('nftables'))
})

it('replaces what other modes have, when told', async () => {
  const kernel = makeKernel()
  for (const mode of ['ipvs', 'iptables'] as const) {
    const other = await openPlane(optionsOf(mode, kernel))
    await other.sync(both)
    await other.close()
  }
  const untold = await openPlane(optionsOf('nftables', kernel))
  await untold.sync(both)
  await untold.close()
  expect(await holdings(kernel)).toContain('link netplane')
  const plane = await opened(optionsOf('nftables', kernel, { replaces: ['ipvs', 'iptables', 'userspace'] }))
  await plane.sync(both)
  await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
  expect(await holdings(kernel)).toEqual(await fresh('nftables'))
})

it('is finished by a plane of a third mode that replaces one of both', async () => {
  const { steps } = await interrupted('nftables', 'iptables', Infinity)
  const { kernel } = await interrupted('nftables', 'iptables', Math.ceil(steps / 2))
  const plane = await opened(optionsOf('userspace', kernel, { replaces: ['nftables'] }))
  await plane.sync(both)
  await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
  expect(await holdings(kernel)).toEqual(await fresh('userspace'))
})

it('of a plane that was removed before its first sync is forgotten', async () => {
  const { steps } = await interrupted('nftables', 'iptables', Infinity)
  const { kernel } = await interrupted('nftables', 'iptables', Math.ceil(steps / 2))
  const removed = await openPlane(optionsOf('nftables', kernel))
  await removed.close({ cleanup: true })
  const left = await holdings(kernel)
  expect(left).toEqual(expect.arrayContaining(await fresh('iptables')))
  // What is there of the other one may be a plane's that was opened since.
  const plane = await opened(optionsOf('nftables', kernel))
  await plane.sync(both)
  expect(plane.status().leaving).toBeUndefined()
  expect(await holdings(kernel)).toEqual(expect.arrayContaining(left))
})

it('goes by options as they were when it was called', async () => {
  const kernel = makeKernel()
  const options = { ...optionsOf('nftables', kernel) }
  const plane = await opened(options)
  const events = eventsOf(plane)
  await plane.sync(both)
  Object.assign(options, { mode: 'iptables', netns: 'blue' })
  await expect(plane.switchTo(options)).rejects.toMatchObject({ path: 'netns' })
  const next = { ...optionsOf('iptables', kernel) }
  const switching = plane.switchTo(next)
  Object.assign(next, { mode: 'userspace' })
  expect(await switching).toMatchObject({ from: 'nftables', to: 'iptables' })
  expect(events).toContainEqual({ type: 'switched', from: 'nftables', to: 'iptables' })
})

it('says what it cannot remove, and tries again', async () => {
  const kernel = makeKernel()
  const plane = await opened(optionsOf('nftables', kernel))
  const events = eventsOf(plane)
  await plane.sync(both)
  const nft = await kernel.nftables.open()
  onTestFinished(() => nft.close())
  const state = { left: Infinity }
  const other = optionsOf('iptables', faulty(kernel, refusing(state)))
  const fault = kernel.nftables.fail('commit', { code: 'EPERM', at: 3 })
  await plane.switchTo(other)
  fault.remove()
  const failure: unknown = events.find(({ type }) => type === 'error')
  expect(failure).toMatchObject({ error: { code: 'EPERM' } })
  expect((failure as { error: unknown }).error).toBeInstanceOf(NetlinkError)
  expect(plane.status()).toMatchObject({ leaving: [{ mode: 'nftables' }], details: { mode: 'iptables' } })
  await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), soon)
  expect(await holdings(kernel)).toEqual(await fresh('iptables'))
})

it.each(PLANE_MODES)('takes no call after close, mode %s', async (mode) => {
  const kernel = makeKernel()
  const plane = await openPlane(optionsOf(mode, kernel))
  await plane.sync(both)
  const held = await holdings(kernel)
  const closing = plane.close()
  for (const call of [
    () => plane.sync(new Map()),
    () => plane.update({ delete: ['web'] }),
    () => plane.plan(both),
    () => plane.explain({ protocol: 'tcp', address: '10.96.0.1', port: 80 })
  ])
    await expect(call()).rejects.toBeInstanceOf(ClosedError)
  await closing
  expect(await holdings(kernel)).toEqual(held)
})
