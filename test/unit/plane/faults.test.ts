import { expect, it } from 'vitest'
import { EINVAL, EMSGSIZE, ENOBUFS, ENOMEM, ERESTART } from '../../../src/core/errno.js'
import type { Plane, Service, SyncReport } from '../../../src/index.js'
import { checkUserspaceOptions } from '../../../src/plane/userspace/options.js'
import { placesOf } from '../../../src/plane/userspace/places.js'
import type { FakeIpvsFault } from '../../../src/testing.js'
import { faulty, type Fault, type Injector } from '../../support/faulty-kernel.js'
import { dump, fakeRig, freshDump, tableOf, type RigKernel } from '../../support/plane-rigs.js'
import { Random } from '../../support/random.js'
import { randomService } from '../../support/random-services.js'
import { deadPorts } from '../../support/relay-ports.js'

/** What another process may do at any moment. What it makes outside of what is ours must stay. */
const foreign: readonly ((kernel: RigKernel, table: string) => Promise<void>)[] = [
  async ({ nftables }) => {
    await using nft = await nftables.open()
    const tx = nft.transaction()
    tx.add.table({ family: 'inet', name: 'theirs' })
    tx.add.chain({ family: 'inet', table: 'theirs', name: 'c' })
    await tx.commit()
  },
  async ({ nftables }, name) => {
    await using nft = await nftables.open()
    const tx = nft.transaction()
    tx.add.elements({ family: 'ip', table: name, name: 'cluster-ips', key: 'ipv4_addr' }, [{ key: '198.51.100.1' }])
    await tx.commit()
  },
  async ({ nftables }, name) => {
    await using nft = await nftables.open()
    const tx = nft.transaction()
    tx.flush.set({ family: 'ip', table: name, name: 'cluster-ips' })
    await tx.commit()
  },
  async ({ nftables }, name) => {
    await using nft = await nftables.open()
    const tx = nft.transaction()
    tx.delete.table({ family: 'ip6', name })
    await tx.commit()
  },
  async ({ ipvs }) => {
    await using client = await ipvs.open()
    const [first] = await client.list()
    if (first !== undefined && first.address !== '192.0.2.1') await client.removeService(first, { ensure: true })
  },
  async ({ route }) => {
    await using client = await route.open()
    await client.removeLink('netplane', { ensure: true })
  }
]

/** The same to chains of iptables. */
const foreignToChains: typeof foreign = [
  foreign[0]!,
  async ({ nftables }, table) => {
    await using nft = await nftables.open()
    const tx = nft.transaction()
    tx.add.chain({ family: 'ip', table, name: 'KUBE-SVC-STRANGERSTRANGER' })
    await tx.commit()
  },
  async ({ nftables }, table) => {
    await using nft = await nftables.open()
    const tx = nft.transaction()
    tx.flush.chain({ family: 'ip', table, name: 'KUBE-SERVICES' })
    await tx.commit()
  },
  foreign[3]!,
  async ({ nftables }, table) => {
    await using nft = await nftables.open()
    const expressions = [{ type: 'immediate', destinationRegister: 0, data: { verdict: 'accept' } }] as const
    const tx = nft.transaction()
    tx.insert.rule({ family: 'ip', table, chain: 'KUBE-SERVICES', expressions })
    await tx.commit()
  }
]

/** Refusals and losses; the numbers are chances in a hundred. */
const faults: readonly (readonly [chance: number, fault: Fault])[] = [
  [3, { type: 'refuse', errno: ENOMEM }],
  [3, { type: 'lose', errno: ENOBUFS }]
]

/** Of every call of a client. */
const DEADLINE_MS = 200
/** Longer than a client waits for a job: an IPVS client gives its own twice the deadline, and each client 250 ms more. */
const OVERDUE_MS = 2 * DEADLINE_MS + 300
/** Deadlines that pass in one walk at most: each takes its time. */
const MAX_OVERDUE = 1

/** What may happen at one moment. */
interface Weather {
  /** Nothing happens. */
  isCalm: boolean
  /** So many faults may still happen. */
  left: number
  /** Deadlines that have passed. */
  overdue: number
}

/** A deadline that passes before the kernel has done it, or after. */
function overdue(random: Random, state: Weather): Fault {
  if (state.overdue >= MAX_OVERDUE || !random.chance(1)) return undefined
  state.overdue++
  return { type: random.chance(50) ? 'slow' : 'late', ms: OVERDUE_MS }
}

/** Refusals and losses of single virtual services and real servers. */
function rowFault(random: Random, state: Weather): FakeIpvsFault {
  if (state.isCalm || state.left === 0 || !random.chance(3)) return undefined
  state.left--
  return random.pick([EINVAL, EINVAL, ENOMEM, 'lost', 'lost-refused'] as const)
}

function injector(random: Random, kernel: RigKernel, table: string, state: Weather, actions: typeof foreign): Injector {
  return async (operation) => {
    if (state.isCalm) return undefined
    // It is refused where the table has just gone, which is its own affair.
    if (actions.length > 0 && random.chance(8))
      await random
        .pick(actions)(kernel, table)
        .catch(() => undefined)
    const fault = state.left === 0 ? undefined : faultOf(random, state, operation)
    if (fault !== undefined) state.left--
    return fault
  }
}

function faultOf(random: Random, state: Weather, operation: string): Fault {
  const found = overdue(random, state) ?? faults.find(([chance]) => random.chance(chance))?.[1]
  if (operation !== 'commit' || found !== undefined) return found
  if (random.chance(6)) return { type: 'refuse-element', errno: EINVAL, pick: (count) => random.below(count) }
  if (random.chance(3)) return { type: 'refuse', errno: ERESTART }
  return random.chance(3) ? { type: 'refuse', errno: EMSGSIZE } : undefined
}

/** Services by numbers, some of which claim one another's frontends. */
function anyService(random: Random): Service {
  const service = randomService(random, random.below(8))
  if (!random.chance(20)) return service
  const other = randomService(random, random.below(8))
  return { ...service, protocol: other.protocol, frontends: other.frontends }
}

/** What a call says while jobs that are past their deadline have not returned, or where the machine is slow. */
const LATE = new Set(['ERR_NETPLANE_BUSY', 'ERR_NETPLANE_DEADLINE', 'ETIMEDOUT'])

/** The outcome of a call, once the jobs that are past their deadline have returned. */
async function settled<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const { code, cause } = error as { readonly code?: string; readonly cause?: { readonly code?: string } }
      if (!LATE.has(code ?? '') && !LATE.has(cause?.code ?? '')) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** Elements that another process put into sets from which it took as many. */
const EXCHANGED = /^(?:! changed elements of set .*\n)*! (\d+) missing and \1 foreign elements$/

/** Syncs until a plan finds nothing: where as many elements came as went, that is seen once an audit may take the time to compare them all. */
async function agree(plane: Plane, desired: ReadonlyMap<string, Service>): Promise<void> {
  for (;;) {
    await settled(() => plane.sync(desired))
    const plan = await settled(() => plane.plan(desired))
    if (plan.isEmpty) return
    expect(String(plan)).toMatch(EXCHANGED)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Relays are real sockets, which take their time. */
const seedsOf = (mode: string, usual: number): number => (mode === 'userspace' ? 2 : usual)

it.each(
  (['nftables', 'ipvs', 'iptables', 'userspace'] as const).flatMap((mode) =>
    Array.from({ length: seedsOf(mode, 6) }, (_, seed) => [mode, seed + 1] as const)
  )
)('%s: whatever happens between two steps, the kernel ends as it is reported (seed %i)', { timeout: 60_000 }, async (mode, seed) => {
  const random = new Random(seed)
  const state: Weather = { isCalm: true, left: Infinity, overdue: 0 }
  // A virtual service is known as ours by its address, on the device or in a table, of which one must stay while no plane runs, or by its mark, which is in a table alone.
  const actions =
    mode === 'nftables' || mode === 'userspace'
      ? foreign
      : mode === 'iptables'
        ? foreignToChains
        : seed % 2 === 0
          ? foreign.filter((_, index) => ![3, 5].includes(index))
          : foreign.filter((_, index) => ![2, 3].includes(index))
  let own: RigKernel | undefined
  const rig = fakeRig(mode, (kernel) => {
    own = kernel
    kernel.ipvs.fault = () => rowFault(random, state)
    return faulty(kernel, injector(random, kernel, tableOf(mode), state, actions))
  })
  const open = async (): Promise<Plane> => await rig.open({ deadlineMs: DEADLINE_MS })
  let plane = await open()
  let desired = new Map<string, Service>()
  await plane.sync(desired)
  await using theirs = await own!.ipvs.open()
  await theirs.addService({ protocol: 'tcp', address: '192.0.2.1', port: 80 })
  let failures = 0
  for (let step = 0; step < 60; step++) {
    state.isCalm = false
    const service = anyService(random)
    const onError = random.chance(30) ? 'atomic' : 'isolate'
    const next = new Map(desired)
    if (random.chance(30)) next.delete(service.name)
    else next.set(service.name, service)
    const call = random.chance(50)
      ? plane.sync(next, { onError })
      : plane.update(next.has(service.name) ? { set: [service] } : { delete: [service.name] }, { onError })
    await call.catch(() => failures++)
    desired = next
    state.isCalm = true
    if (random.chance(10)) {
      await plane.close()
      plane = await open()
    } else if (!random.chance(25)) continue
    const { quarantined } = await settled(() => plane.sync(desired))
    for (const { service: name } of quarantined) {
      expect(plane.status().quarantined.map((entry) => entry.service)).toContain(name)
      desired.delete(name)
    }
    await agree(plane, desired)
    expect(plane.status()).toMatchObject({ services: desired.size, quarantined: [] })
    const held = (await dump(rig)).filter((line) => !line.includes('192.0.2.1') && !/inet theirs/.test(line))
    expect(held).toEqual(await freshDump(fakeRig(mode), desired))
    if (mode === 'userspace') expect([await deadPorts(rig), plane.status().details]).toEqual([[], expectedRelays(desired)])
  }
  expect(failures).toBeGreaterThan(0)
  expect(await theirs.list()).toEqual(expect.arrayContaining([expect.objectContaining({ address: '192.0.2.1' })]))
})

/** What a plane says of the relays of services. */
function expectedRelays(services: ReadonlyMap<string, Service>): unknown {
  const options = checkUserspaceOptions({ schedulerFallback: 'random' }).places
  const relays = [...services.values()].reduce((sum, service) => sum + placesOf(service, options).size, 0)
  return expect.objectContaining({ relays }) as unknown
}

/** What a kernel may hold after a call: a service in quarantine is as it was before, or gone. */
function* outcomes(before: ReadonlyMap<string, Service>, after: ReadonlyMap<string, Service>, quarantined: readonly string[]) {
  const kept = quarantined.filter((name) => before.has(name))
  for (let bits = 2 ** kept.length - 1; bits >= 0; bits--) {
    const services = new Map([...after].filter(([name]) => !quarantined.includes(name)))
    for (const [index, name] of kept.entries()) if ((bits >> index) % 2 === 1) services.set(name, before.get(name)!)
    yield services
  }
}

it.each(
  (['nftables', 'ipvs', 'iptables', 'userspace'] as const).flatMap((mode) =>
    Array.from({ length: seedsOf(mode, 5) }, (_, seed) => [mode, seed + 1] as const)
  )
)(
  '%s: after every call that succeeds, the kernel holds what the plane says, whatever was refused or lost (seed %i)',
  { timeout: 60_000 },
  async (mode, seed) => {
    const random = new Random(seed)
    const state: Weather = { isCalm: true, left: Infinity, overdue: 0 }
    const rig = fakeRig(mode, (kernel) => {
      kernel.ipvs.fault = () => rowFault(random, state)
      return faulty(kernel, injector(random, kernel, tableOf(mode), state, []))
    })
    const plane = await rig.open({ deadlineMs: DEADLINE_MS })
    let held = new Map<string, Service>()
    await plane.sync(held)
    let successes = 0
    for (let step = 0; step < 60; step++) {
      const service = anyService(random)
      const next = new Map(held)
      if (random.chance(30)) next.delete(service.name)
      else next.set(service.name, service)
      const options = { onError: random.chance(30) ? 'atomic' : 'isolate' } as const
      const change = next.has(service.name) ? { set: [service] } : { delete: [service.name] }
      state.isCalm = random.chance(20)
      state.left = 1 + random.below(3)
      const isWhole = random.chance(50)
      const call = async (): Promise<SyncReport> => await (isWhole ? plane.sync(next, options) : plane.update(change, options))
      const report = await settled(call).catch(() => undefined)
      state.isCalm = true
      if (report === undefined) continue
      successes++
      const found = await dump(rig)
      const names = report.quarantined.map(({ service: name }) => name)
      let match: Map<string, Service> | undefined
      for (const services of outcomes(held, next, names)) {
        match = services
        if (found.join() === (await freshDump(fakeRig(mode), services)).join()) break
      }
      expect(found).toEqual(await freshDump(fakeRig(mode), match!))
      held = match!
      expect(plane.status().services).toBe(held.size)
      expect(plane.status().quarantined.map(({ service: name }) => name)).toEqual(expect.arrayContaining(names))
      expect(String(await settled(() => plane.plan(held)))).toBe('nothing to do')
    }
    expect(successes).toBeGreaterThan(20)
  }
)

it.each(['nftables', 'ipvs', 'iptables', 'userspace'] as const)(
  '%s: works where a message may have 4 KiB only, from the first sync on',
  { timeout: 60_000 },
  async (mode) => {
    let refusals = 0
    const rig = fakeRig(mode, (kernel) =>
      faulty(kernel, (operation, bytes) => {
        if (operation !== 'commit' || bytes <= 4096) return undefined
        refusals++
        return { type: 'refuse', errno: EMSGSIZE }
      })
    )
    const services = (from: number, to: number, port: number): Map<string, Service> =>
      new Map(
        Array.from({ length: to - from }, (_, index) => {
          const low = `${(from + index) >> 8}.${(from + index) & 255}`
          const service: Service = {
            name: `s${from + index}`,
            protocol: 'tcp',
            frontends: [{ kind: 'cluster', address: `10.96.${low}`, port: 80 }],
            endpoints: [1, 2, 3].map((host) => ({ address: `10.${host}.${low}`, port }))
          }
          return [service.name, service]
        })
      )
    const plane = await rig.open()
    // A service is some thirty objects in iptables, each with an operation of its own.
    const some = mode === 'iptables' ? 5 : 100
    for (const desired of [
      services(0, 3 * some, 80),
      services(0, 3 * some, 81),
      services(2 * some, 13 * some, 81),
      services(6 * some, 7 * some, 81)
    ]) {
      await plane.sync(desired)
      expect((await plane.plan(desired)).isEmpty).toBe(true)
    }
    const desired = services(6 * some, 7 * some, 81)
    expect(await dump(rig)).toEqual(await freshDump(fakeRig(mode), desired))
    await using nft = await rig.nftables()
    const tx = nft.transaction()
    tx.add.chain({ family: 'ip', table: rig.table, name: mode === 'iptables' ? 'KUBE-SVC-STRANGERSTRANGER' : 'stranger' })
    await tx.commit()
    await (await rig.open()).sync(desired)
    expect(await dump(rig)).toEqual(await freshDump(fakeRig(mode), desired))
    expect(refusals).toBeGreaterThan(0)
    expect(refusals).toBeLessThan(60)
  }
)

it(
  'nftables: beside a process that commits before each of its own commits, all phases of a change are made',
  { timeout: 60_000 },
  async () => {
    const state = { isBusy: false }
    const rig = fakeRig('nftables', (kernel) =>
      faulty(kernel, async (operation) => {
        if (state.isBusy && operation === 'commit') await foreign[0]!(kernel, 'netplane')
        return undefined
      })
    )
    const services = (port: number): Map<string, Service> => {
      const frontends = [{ kind: 'cluster' as const, address: '10.96.0.1', port }]
      return new Map([['s', { name: 's', protocol: 'tcp', frontends, endpoints: [{ address: '10.1.0.1', port }] }]])
    }
    await (await rig.open()).sync(services(80))
    const adopting = await rig.open()
    state.isBusy = true
    // Elements are added, memberships go, addresses go: three transactions each.
    for (const port of [81, 82]) {
      const report = await adopting.sync(services(port))
      // Four races are lost in all, not four a transaction.
      expect(report).toMatchObject({ services: { changed: 1 }, requests: 3, details: { retries: 4 } })
    }
    expect((await dump(rig)).filter((line) => !line.includes('inet theirs'))).toEqual(await freshDump(fakeRig('nftables'), services(82)))
  }
)

it('ipvs: a service whose change is refused while the kernel is read again is as it was before, with its addresses', async () => {
  let own: RigKernel | undefined
  const rig = fakeRig('ipvs', (kernel) => (own = kernel))
  const service = (host: number): Service => ({
    name: 's',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: `10.96.0.${host}`, port: 80 }],
    endpoints: [{ address: '10.1.0.1', port: 8080 }]
  })
  const services = (host: number): Map<string, Service> => new Map([['s', service(host)]])
  const plane = await rig.open()
  await plane.sync(services(1))
  const held = await dump(rig)
  // What became of this change is unknown, so that the next call reads the kernel.
  own!.ipvs.fault = ({ verb }) => (verb === 'add' ? ENOMEM : undefined)
  await expect(plane.sync(services(2))).rejects.toMatchObject({ code: 'ENOMEM' })
  own!.ipvs.fault = ({ verb, text }) => (verb === 'add' && text.includes('10.96.0.2') ? EINVAL : undefined)
  const { quarantined } = await plane.update({ set: [service(2)] })
  expect(quarantined.map(({ service: name }) => name)).toEqual(['s'])
  expect(await dump(rig)).toEqual(held)
  expect(plane.status()).toMatchObject({ services: 1, quarantined: [{ service: 's' }] })
  expect(plane.status().drifts).toBe(0)
})

it('ipvs: a service that the kernel does not take back is in the report of the call that found it gone, and in quarantine', async () => {
  let own: RigKernel | undefined
  const rig = fakeRig('ipvs', (kernel) => (own = kernel))
  const services = new Map<string, Service>(
    [1, 2].map((host) => {
      const frontends = [{ kind: 'cluster' as const, address: `10.96.0.${host}`, port: 80 }]
      return [`s${host}`, { name: `s${host}`, protocol: 'tcp', frontends, endpoints: [{ address: '10.1.0.1', port: 8080 }] }]
    })
  )
  const plane = await rig.open()
  await plane.sync(services)
  await using ipvs = await rig.ipvs()
  await ipvs.flush({ allServices: true })
  own!.ipvs.fault = ({ verb, text }) => (verb === 'add' && text.includes('10.96.0.2') ? EINVAL : undefined)
  const report = await plane.sync(services)
  expect(report.quarantined.map(({ service }) => service)).toEqual(['s2'])
  expect(plane.status()).toMatchObject({ services: 1, quarantined: [{ service: 's2' }] })
  expect(await dump(rig)).toEqual(await freshDump(fakeRig('ipvs'), new Map([...services].slice(0, 1))))
  own!.ipvs.fault = () => undefined
  expect(await plane.sync(services)).toMatchObject({ services: { added: 1 }, quarantined: [] })
})
