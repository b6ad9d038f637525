import { expect, it } from 'vitest'
import { AF_INET, AF_INET6 } from '../../src/core/protocols.js'
import type { Ipvs } from '../../src/ipvs/client.js'
import type { RealServerColumns, ServiceColumns } from '../../src/ipvs/column-types.js'
import { PROTOCOL_NUMBERS } from '../../src/ipvs/constants.js'
import { Random } from './random.js'

const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'dh', 'sh', 'sed', 'nq', 'mh', 'lblc', 'lblcr', 'fo', 'ovf'] as const
const MASKS = [0, 0xffffffff, 0xffffff00, 0x80000000, 0xff00ff00, 1, 0xfffffffe]
const LENGTHS = [1, 2, 63, 64, 127, 128]
const TIMEOUTS = [0, 1, 300, 2_147_484, 2_678_400, 4_294_967]
const PORTS = [0, 1, 80, 65_535]
const WEIGHTS = [0, 1, 65_535, 65_536, 2_147_483_647]
const THRESHOLDS = [0, 1, 2_147_483_647]
const MASQUERADE = 0
const TUNNEL = 2
const [IPIP, GUE] = [0, 1]
const NO_ENGINE = 0xffffffff

/** Any service that columns can say, whether it makes sense or not; a row each, with keys of their own. */
function randomServices(random: Random, rows: number): ServiceColumns {
  const columns = {
    rows,
    family: new Uint8Array(rows),
    protocol: new Uint8Array(rows),
    address: new Uint8Array(rows * 16),
    port: new Uint16Array(rows),
    fwmark: new Uint32Array(rows),
    scheduler: new Uint32Array(rows),
    schedulerTable: SCHEDULERS,
    flags: new Uint32Array(rows),
    timeoutSeconds: new Uint32Array(rows),
    netmask: new Uint32Array(rows),
    persistenceEngine: new Uint32Array(rows).fill(NO_ENGINE),
    persistenceEngineTable: ['sip']
  }
  for (let row = 0; row < rows; row++) {
    const family = random.chance(50) ? AF_INET : AF_INET6
    columns.family[row] = family
    if (random.chance(30)) {
      columns.fwmark[row] = random.chance(50) ? row + 1 : 0xffffffff - row
    } else {
      columns.protocol[row] = random.pick(Object.values(PROTOCOL_NUMBERS))
      columns.address.set(
        family === AF_INET ? [10, 96, row >> 8, row] : [0xfd, 0, 0, 0x96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, row >> 8, row],
        row * 16
      )
      columns.port[row] = random.pick(PORTS)
    }
    columns.scheduler[row] = random.below(SCHEDULERS.length)
    // Any flag but the one that the kernel keeps for itself (IP_VS_SVC_F_HASHED).
    columns.flags[row] = random.below(64) & ~2
    columns.timeoutSeconds[row] = random.pick(TIMEOUTS)
    columns.netmask[row] = random.pick(family === AF_INET ? MASKS : LENGTHS)
    if (random.chance(10)) columns.persistenceEngine[row] = 0
  }
  return columns
}

function randomServers(random: Random, services: ServiceColumns): RealServerColumns {
  const rows = services.rows * 2
  const columns = {
    rows,
    service: new Uint32Array(rows),
    family: new Uint8Array(rows),
    address: new Uint8Array(rows * 16),
    port: new Uint16Array(rows),
    forwarding: new Uint8Array(rows),
    weight: new Uint32Array(rows),
    upperThreshold: new Uint32Array(rows),
    lowerThreshold: new Uint32Array(rows),
    tunnelType: new Uint8Array(rows),
    tunnelPort: new Uint16Array(rows),
    tunnelFlags: new Uint16Array(rows)
  }
  for (let row = 0; row < rows; row++) {
    const service = row >> 1
    columns.service[row] = service
    const own = services.family[service]!
    columns.forwarding[row] = random.pick([MASQUERADE, TUNNEL, TUNNEL, 3])
    const isMixed = columns.forwarding[row] === TUNNEL && random.chance(30)
    columns.family[row] = isMixed ? AF_INET + AF_INET6 - own : own
    columns.address.set(
      columns.family[row] === AF_INET ? [10, 1, service >> 8, row] : [0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, service >> 8, row],
      row * 16
    )
    columns.port[row] = random.pick(PORTS)
    columns.weight[row] = random.pick(WEIGHTS)
    columns.upperThreshold[row] = random.pick(THRESHOLDS)
    columns.lowerThreshold[row] = Math.min(columns.upperThreshold[row]!, random.pick(THRESHOLDS))
    columns.tunnelType[row] = random.below(3)
    columns.tunnelPort[row] = columns.tunnelType[row] === GUE ? 6080 : columns.tunnelType[row] === IPIP ? random.below(2) : 0
    columns.tunnelFlags[row] = random.below(4)
  }
  return columns
}

/**
 * Whatever the kernel holds, by whomever it was made, can be given back: to `sync`, which finds nothing to do, to `updateService` and `updateRealServer`, which change
 * nothing, and to `addServices` in an empty place.
 */
export function acceptsWhatItLists(
  kernel: string,
  open: () => Promise<Ipvs>,
  { seeds, rows }: { readonly seeds: number; readonly rows: number }
): void {
  it.each(Array.from({ length: seeds }, (_, seed) => seed))(`accepts what it lists on ${kernel} (seed %i)`, async (seed) => {
    const random = new Random(seed)
    await using ipvs = await open()
    const services = randomServices(random, rows)
    const added = await ipvs.addServices(services, { onError: 'isolate' })
    const servers = await ipvs.addRealServers({ services, realServers: randomServers(random, services) }, { onError: 'isolate' })
    const listed = await ipvs.list({ statistics: false })
    // What is refused is a module that this kernel lacks, and the servers of such services.
    expect(added.refused.filter(({ code }) => code !== 'ENOENT')).toEqual([])
    expect(servers.refused.filter(({ code }) => code !== 'ESRCH')).toEqual([])
    expect(listed.length).toBeGreaterThan(rows / 3)

    const report = await ipvs.sync(await ipvs.list(), { owns: () => true })
    expect(String(report.plan)).toBe('nothing to do')
    for (const { realServers, ...service } of listed) {
      await ipvs.updateService(service)
      for (const server of realServers) await ipvs.updateRealServer(service, server)
    }
    expect(await ipvs.list({ statistics: false })).toEqual(listed)

    await using copy = await open()
    await copy.sync(listed)
    expect(
      (await copy.list({ statistics: false }))
        .map((service) => JSON.stringify({ ...service, realServers: service.realServers.length }))
        .sort()
    ).toEqual(listed.map((service) => JSON.stringify({ ...service, realServers: service.realServers.length })).sort())
  })
}
