/**
 * Established connections of services, handed over to a flowtable: their packets go from ingress of one link to egress of another without meeting any hook in between.
 */
import type { AddressFamily } from '../../../core/address.js'
import { requireFields, requireInteger, requireKnown } from '../../../core/checks.js'
import { ENODEV } from '../../../core/errno.js'
import { NetlinkError, UnsupportedError, ValidationError } from '../../../core/errors.js'
import type { Nftables, Ruleset } from '../../../nftables/index.js'
import { accept, flowAdd } from '../../../nftables/rule/statements.js'
import type { Step } from '../../../nftables/steps.js'
import { FAMILIES } from '../../core/frontend.js'
import { compileAll } from './words.js'

/** Option `flowOffload`. */
export interface FlowOffloadOption {
  /** Names of the links by which packets of services come: of clients and of endpoints, 1–256. They exist at the first `sync`. */
  readonly devices: readonly string[]
  /** A connection is handed over when more packets than this were seen, in both directions together; default 20, 0–4294967295. */
  readonly afterPackets?: number | undefined
}

/** {@link FlowOffloadOption}, checked. */
export interface FlowOffload {
  readonly devices: readonly string[]
  readonly afterPackets: number
}

/** What the flowtable of each table is called. */
export const FLOWTABLE = 'offload'

const DEFAULT_PACKETS = 20
/** NFT_NETDEVICE_MAX, net/netfilter/nf_tables_api.c. */
const MAX_DEVICES = 256
const MAX_PACKETS = 0xffff_ffff
/** dev_valid_name, net/core/dev.c; IFNAMSIZ. */
const DEVICE = /^(?!\.{1,2}$)[^\s/:\0]{1,15}$/

/** Checks option `flowOffload`. @throws {ValidationError} */
export function checkFlowOffload(option: unknown): FlowOffload | undefined {
  if (option === undefined) return undefined
  const fields = requireFields('flowOffload', option, '{ devices, afterPackets? }')
  requireKnown('flowOffload.', fields, ['devices', 'afterPackets'])
  const { devices, afterPackets = DEFAULT_PACKETS } = fields
  if (!Array.isArray(devices) || devices.length === 0 || devices.length > MAX_DEVICES)
    throw new ValidationError('flowOffload.devices', devices, `a list of 1 to ${MAX_DEVICES} names of links`)
  for (const [index, device] of devices.entries()) {
    const isName = typeof device === 'string' && DEVICE.test(device) && Buffer.byteLength(device) <= 15
    if (!isName) throw new ValidationError(`flowOffload.devices[${index}]`, device, 'the name of a link, 1 to 15 bytes')
    if (devices.indexOf(device) < index) throw new ValidationError(`flowOffload.devices[${index}]`, device, 'each link once')
  }
  const packets = requireInteger('flowOffload.afterPackets', afterPackets, 0, MAX_PACKETS)
  return { devices: (devices as readonly string[]).map(String), afterPackets: packets }
}

/** Makes the flowtable of a table, or adds links to it (Linux 5.8). */
export function flowtableStep(family: AddressFamily, table: string, devices: readonly string[]): Step {
  return {
    bytes: 200 + 24 * devices.length,
    queue: (tx) => tx.add.flowtable({ family, table, name: FLOWTABLE, priority: 'filter', devices })
  }
}

/** What is wrong with the flowtables of a listed table. Links that are gone have left by themselves (before Linux 6.16). */
export function flowtableFaults(family: AddressFamily, table: string, { flowtables }: Ruleset, wanted: FlowOffload | undefined): string[] {
  const own = flowtables.find(({ name }) => name === FLOWTABLE)
  if (wanted === undefined) return []
  if (own === undefined) return [`missing flowtable ${family} ${table} ${FLOWTABLE}`]
  const isOther = own.priority !== 0 || (own.flags ?? []).length > 0 || own.devices.some((device) => !wanted.devices.includes(device))
  return isOther ? [`changed flowtable ${family} ${table} ${FLOWTABLE}`] : []
}

/** The links that a listed flowtable lacks. */
export function lackingDevices({ flowtables }: Ruleset, wanted: FlowOffload | undefined): readonly string[] {
  const own = flowtables.find(({ name }) => name === FLOWTABLE)
  return wanted === undefined || own === undefined ? [] : wanted.devices.filter((device) => !own.devices.includes(device))
}

/** Asks the kernel, without changing anything, for a flowtable over some links. */
async function tryFlowtable(nft: Nftables, table: string, devices: readonly string[]): Promise<NetlinkError | undefined> {
  const tx = nft.transaction()
  for (const family of FAMILIES) {
    const name = `${table}-probe`
    tx.add.table({ family, name })
    flowtableStep(family, name, devices).queue(tx)
    tx.add.chain({ family, table: name, name: 'probe' })
    const [expressions] = compileAll(family, name, [[flowAdd(FLOWTABLE), accept()]])
    tx.add.rule({ family, table: name, chain: 'probe', expressions: expressions! })
  }
  try {
    await tx.check()
    return undefined
  } catch (error) {
    if (error instanceof NetlinkError && (error.code === 'ENOENT' || error.code === 'EOPNOTSUPP')) return error
    throw error
  }
}

const MISSING =
  'option flowOffload: this kernel has no flowtables; it needs CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET and CONFIG_NFT_FLOW_OFFLOAD (modprobe nf_flow_table_inet nft_flow_offload)'

/**
 * The links of the option that exist.
 *
 * @param mustAll Whether all must.
 * @throws {UnsupportedError} The kernel has no flowtables.
 * @throws {NetlinkError} `ENODEV`: a link does not exist.
 */
export async function existingDevices(
  nft: Nftables,
  table: string,
  devices: readonly string[],
  mustAll: boolean
): Promise<readonly string[]> {
  if ((await tryFlowtable(nft, table, devices)) === undefined) return devices
  // Every namespace has this link.
  const refused = await tryFlowtable(nft, table, ['lo'])
  if (refused !== undefined) throw new UnsupportedError('flowtables', MISSING, { cause: refused })
  const existing: string[] = []
  for (const device of devices) {
    if ((await tryFlowtable(nft, table, [device])) === undefined) existing.push(device)
    else if (mustAll)
      throw new NetlinkError({
        errno: ENODEV,
        operation: 'plane.sync',
        subject: `link ${device} of option flowOffload`,
        hint: 'there is no such link'
      })
  }
  return existing
}
