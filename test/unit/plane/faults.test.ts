import { expect, it } from 'vitest'
import { EMSGSIZE, ENOBUFS, ENOMEM, ERESTART } from '../../../src/core/errno.js'
import type { Service } from '../../../src/index.js'
import { faulty, type Fault, type Injector } from '../../support/faulty-kernel.js'
import { dump, fakeRig, freshDump, tableOf, type RigKernel } from '../../support/plane-rigs.js'
import { Random } from '../../support/random.js'
import { randomService } from '../../support/random-services.js'

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
    tx.add.elements({ family: 'ip', table: name, name: 'vips', key: 'ipv4_addr' }, [{ key: '198.51.100.1' }])
    await tx.commit()
  },
  async ({ nftables }, name) => {
    await using nft = await nftables.open()
    const tx = nft.transaction()
    tx.flush.set({ family: 'ip', table: name, name: 'vips' })
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

/** Refusals and losses; the numbers are chances in a hundred. */
const faults: readonly (readonly [chance: number, fault: Fault])[] = [
  [3, { type: 'refuse', errno: ENOMEM }],
  [3, { type: 'lose', errno: ENOBUFS }]
]

function injector(random: Random, kernel: RigKernel, table: string, state: { isCalm: boolean }, actions: typeof foreign): Injector {
  return async (operation) => {
    if (state.isCalm) return undefined
    // It is refused where the table has just gone, which is its own affair.
    if (random.chance(8))
      await random
        .pick(actions)(kernel, table)
        .catch(() => undefined)
    const found = faults.find(([chance]) => random.chance(chance))?.[1]
    if (operation !== 'commit' || found !== undefined) return found
    if (random.chance(3)) return { type: 'refuse', errno: ERESTART }
    return random.chance(3) ? { type: 'refuse', errno: EMSGSIZE } : undefined
  }
}

/** Services by numbers, some of which claim one another's frontends. */
function anyService(random: Random): Service {
  const service = randomService(random, random.below(8))
  if (!random.chance(20)) return service
  const other = randomService(random, random.below(8))
  return { ...service, protocol: other.protocol, frontends: other.frontends }
}

it.each((['nftables', 'ipvs'] as const).flatMap((mode) => Array.from({ length: 8 }, (_, seed) => [mode, seed + 1] as const)))(
  '%s: whatever happens between two steps, the kernel ends as it is reported (seed %i)',
  { timeout: 60_000 },
  async (mode, seed) => {
    const random = new Random(seed)
    const state = { isCalm: true }
    // A virtual service is known as ours by its address: on the device, or in a table. While no plane runs, one of them must stay.
    const actions =
      mode === 'nftables'
        ? foreign
        : seed % 2 === 0
          ? foreign.filter((_, index) => index !== 5)
          : foreign.filter((_, index) => ![2, 3].includes(index))
    let own: RigKernel | undefined
    const rig = fakeRig(mode, (kernel) => {
      own = kernel
      return faulty(kernel, injector(random, kernel, tableOf(mode), state, actions))
    })
    let plane = await rig.open()
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
        plane = await rig.open()
      } else if (!random.chance(25)) continue
      let { quarantined } = await plane.sync(desired)
      // IPVS sends no notifications of changes: what it lost is found when it is read.
      if (mode === 'ipvs') {
        await plane.close()
        plane = await rig.open()
        ;({ quarantined } = await plane.sync(desired))
      }
      for (const { service: name } of quarantined) {
        expect(plane.status().quarantined.map((entry) => entry.service)).toContain(name)
        desired.delete(name)
      }
      await plane.sync(desired)
      expect(plane.status()).toMatchObject({ services: desired.size, quarantined: [] })
      expect((await plane.plan(desired)).isEmpty).toBe(true)
      const held = (await dump(rig)).filter((line) => !line.includes('192.0.2.1') && !/inet theirs/.test(line))
      expect(held).toEqual(await freshDump(fakeRig(mode), desired))
    }
    expect(failures).toBeGreaterThan(0)
    expect(await theirs.list()).toEqual(expect.arrayContaining([expect.objectContaining({ address: '192.0.2.1' })]))
  }
)

it.each(['nftables', 'ipvs'] as const)(
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
    for (const desired of [services(0, 300, 80), services(0, 300, 81), services(200, 1300, 81), services(600, 700, 81)]) {
      await plane.sync(desired)
      expect((await plane.plan(desired)).isEmpty).toBe(true)
    }
    const desired = services(600, 700, 81)
    expect(await dump(rig)).toEqual(await freshDump(fakeRig(mode), desired))
    await using nft = await rig.nftables()
    const tx = nft.transaction()
    tx.add.chain({ family: 'ip', table: rig.table, name: 'stranger' })
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
