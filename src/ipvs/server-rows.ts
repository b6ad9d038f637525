/**
 * Real servers between the caller's words and columns.
 */
import { formatSocketAddress } from '../core/address.js'
import { requireInteger, requireObject } from '../core/checks.js'
import { locate, ValidationError } from '../core/errors.js'
import { AF_INET } from '../core/protocols.js'
import { requireName } from './checks.js'
import { serverForms, zeroColumns } from './column-forms.js'
import type {
  RealServerChangeColumns,
  RealServerColumns,
  RealServerKeyColumns,
  RealServerListColumns,
  ServiceKeyColumns
} from './column-types.js'
import { FORWARDING_METHODS, MAX_INT, TUNNEL_FLAG_BITS, TUNNEL_TYPES } from './constants.js'
import { addressAt, emptyKeys, putAddress, putKey, requirePort } from './keys.js'
import type {
  ForwardingMethod,
  IpvsStatistics,
  RealServer,
  RealServerKey,
  RealServerOf,
  RealServerSettings,
  RealServerSpec,
  Tunnel,
  TunnelFlag,
  TunnelType,
  VirtualServiceKey
} from './types.js'

function numbersOf<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, number) => [name, number])) as Record<Name, number>
}
const forwardingNumbers = numbersOf<ForwardingMethod>(FORWARDING_METHODS)
const tunnelNumbers = numbersOf<TunnelType>(TUNNEL_TYPES)
const { tunnel: TUNNEL, local: LOCAL } = forwardingNumbers
const { ipip: IPIP, gue: GUE } = tunnelNumbers

/** Flags that mean something to each type of tunnel. */
const tunnelFlags: Readonly<Record<TunnelType, readonly TunnelFlag[]>> = {
  ipip: [],
  gue: ['checksum', 'remote-checksum'],
  gre: ['checksum']
}

/** Zeros, to be filled. */
export function emptyServers(rows: number): RealServerColumns {
  return zeroColumns(rows, serverForms) as unknown as RealServerColumns
}

function putTunnel(path: string, tunnel: Tunnel, columns: RealServerColumns, row: number): void {
  requireObject(path, tunnel, 'an object with a type, or null for ipip')
  const { port, flags = [] } = tunnel
  const type = requireName(`${path}.type`, tunnel.type, tunnelNumbers)
  columns.tunnelType[row] = type
  if (type === GUE) {
    columns.tunnelPort[row] = requireInteger(`${path}.port`, port, 1, 65_535)
  } else if (port !== undefined) {
    throw new ValidationError(`${path}.port`, port, `nothing: only 'gue' has a port`)
  }
  if (!Array.isArray(flags)) throw new ValidationError(`${path}.flags`, flags, 'a list of flags')
  for (const [index, flag] of (flags as readonly TunnelFlag[]).entries()) {
    const bit = requireName(`${path}.flags[${index}]`, flag, TUNNEL_FLAG_BITS)
    if (!tunnelFlags[tunnel.type].includes(flag))
      throw new ValidationError(`${path}.flags[${index}]`, flag, type === IPIP ? 'nothing: ipip has no flags' : `'checksum'`)
    columns.tunnelFlags[row] = (columns.tunnelFlags[row] ?? 0) | bit
  }
}

/** The row holds zeros, which are what is not mentioned but for the weight. */
function putSettings(spec: RealServerSettings, columns: RealServerColumns, row: number): void {
  const { forwarding = 'masquerade', weight = 1, upperThreshold = 0, lowerThreshold = 0, tunnel = null } = spec
  if (forwarding !== 'masquerade') columns.forwarding[row] = requireName('.forwarding', forwarding, forwardingNumbers)
  columns.weight[row] = requireInteger('.weight', weight, 0, MAX_INT)
  if (upperThreshold !== 0) columns.upperThreshold[row] = requireInteger('.upperThreshold', upperThreshold, 0, MAX_INT)
  if (lowerThreshold !== 0) columns.lowerThreshold[row] = requireInteger('.lowerThreshold', lowerThreshold, 0, MAX_INT)
  if (lowerThreshold > upperThreshold)
    throw new ValidationError('.lowerThreshold', lowerThreshold, `at most the upperThreshold, ${upperThreshold}`)
  if (tunnel === null) return
  if (columns.forwarding[row] !== TUNNEL)
    throw new ValidationError('.tunnel', tunnel, `nothing: only forwarding 'tunnel' has one, not '${forwarding}'`)
  putTunnel('.tunnel', tunnel, columns, row)
}

function checkFamily(server: RealServerKey, columns: RealServerColumns, row: number, serviceFamily: number | undefined): void {
  if (columns.family[row] === serviceFamily || columns.forwarding[row] === TUNNEL) return
  const family = serviceFamily === AF_INET ? 'IPv4' : 'IPv6'
  throw new ValidationError('.address', server.address, `an ${family} address, as the service's is, or forwarding 'tunnel'`)
}

function putServerKey(server: RealServerKey, columns: RealServerColumns, row: number): void {
  requireObject('', server, 'a real server: { address, port }')
  columns.family[row] = putAddress('.address', server.address, columns.address, row)
  columns.port[row] = requirePort('.port', server.port)
}

/**
 * Checks a spec and writes it into a row of zeros, but for its service; what is not mentioned gets its default.
 *
 * @throws {ValidationError} Names the field: `.port`.
 */
export function putServer(server: RealServerSpec, columns: RealServerColumns, row: number, serviceFamily: number | undefined): void {
  putServerKey(server, columns, row)
  putSettings(server, columns, row)
  checkFamily(server, columns, row, serviceFamily)
}

/** How rows are named in errors. */
export interface ServerPaths {
  readonly service: (row: number) => string
  readonly server: (row: number) => string
}

interface Encoding {
  readonly settings: boolean
  readonly paths: ServerPaths
}

/** The services of the rows, each once, and which of them each row belongs to. */
function encodeOwners(list: readonly RealServerOf<RealServerKey>[], columns: RealServerColumns, paths: ServerPaths): ServiceKeyColumns {
  const indexes = new Map<VirtualServiceKey, number>()
  const first: number[] = []
  let last: VirtualServiceKey | undefined
  let index = 0
  for (let row = 0; row < list.length; row += 1) {
    const item = list[row] as RealServerOf<RealServerKey>
    if (typeof item !== 'object' || (item as unknown) === null) throw new ValidationError(paths.server(row), item, '{ service, server }')
    // Most often those of one service follow each other.
    if (item.service !== last || row === 0) {
      last = item.service
      index = indexes.get(last) ?? indexes.size
      if (index === indexes.size) {
        indexes.set(last, index)
        first.push(row)
      }
    }
    columns.service[row] = index
  }
  const services = emptyKeys(indexes.size)
  for (const [service, at] of indexes) putKey(paths.service(first[at] ?? 0), service, services, at)
  return services
}

function encode(list: readonly RealServerOf<RealServerKey>[], { settings, paths }: Encoding): RealServerChangeColumns {
  const columns = emptyServers(list.length)
  const services = encodeOwners(list, columns, paths)
  let row = 0
  try {
    for (; row < list.length; row += 1) {
      const { server } = list[row] as RealServerOf<RealServerKey>
      if (settings) putServer(server, columns, row, services.family[columns.service[row] ?? 0])
      else putServerKey(server, columns, row)
    }
  } catch (error) {
    throw locate(error, paths.server(row))
  }
  return { services, realServers: columns }
}

/**
 * Checks specs and makes complete columns of them; what is not mentioned gets its default.
 *
 * @throws {ValidationError} Names the first real server and field that cannot be written.
 */
export function encodeServers(list: readonly RealServerOf[], paths: ServerPaths): RealServerChangeColumns {
  return encode(list, { settings: true, paths })
}

/** Keys as columns. */
export function encodeServerKeys(
  list: readonly RealServerOf<RealServerKey>[],
  paths: ServerPaths
): RealServerChangeColumns<RealServerKeyColumns> {
  const { services, realServers } = encode(list, { settings: false, paths })
  const { rows, service, family, address, port } = realServers
  return { services, realServers: { rows, service, family, address, port } }
}

/** Whether a spec leaves nothing to be read from the kernel before an update. */
export function isCompleteServer(spec: RealServerSettings): boolean {
  const { forwarding, weight, upperThreshold, lowerThreshold, tunnel } = spec
  return ![forwarding, weight, upperThreshold, lowerThreshold, tunnel].includes(undefined)
}

/** What an update makes of a real server: what the spec does not mention stays. */
export function mergeServer(current: RealServer | undefined, spec: RealServerSpec): RealServerSpec {
  if (current === undefined) return spec
  const forwarding = spec.forwarding ?? current.forwarding
  const tunnel = forwarding === 'tunnel' ? current.tunnel : null
  return {
    address: spec.address,
    port: spec.port,
    forwarding,
    weight: spec.weight ?? current.weight,
    upperThreshold: spec.upperThreshold ?? current.upperThreshold,
    lowerThreshold: spec.lowerThreshold ?? current.lowerThreshold,
    tunnel: spec.tunnel === undefined ? tunnel : spec.tunnel
  }
}

function decodeTunnel(columns: RealServerColumns, row: number): Tunnel | null {
  if (columns.forwarding[row] !== TUNNEL) return null
  const type = TUNNEL_TYPES[columns.tunnelType[row] ?? IPIP] ?? 'ipip'
  // The kernel keeps flags whatever the type is, and heeds those of the type (ip_vs_xmit.c).
  if (type === 'ipip') return null
  const bits = columns.tunnelFlags[row] ?? 0
  const flags = tunnelFlags[type].filter((flag) => (bits & TUNNEL_FLAG_BITS[flag]) !== 0)
  return { type, ...(type === 'gue' && { port: columns.tunnelPort[row] ?? 0 }), ...(flags.length > 0 && { flags }) }
}

/** Bits of the flags that the kernel heeds for the type of tunnel. */
function heededFlags(columns: RealServerColumns, row: number): number {
  const flags = tunnelFlags[TUNNEL_TYPES[columns.tunnelType[row] ?? IPIP] ?? 'ipip']
  return flags.reduce((bits, flag) => bits | ((columns.tunnelFlags[row] ?? 0) & TUNNEL_FLAG_BITS[flag]), 0)
}

/**
 * Whether packets reach a real server in the kernel as is wanted. `local` in the kernel is as good as any way of forwarding: it chooses that by itself for an
 * address of its own host (__ip_vs_update_dest), and would choose it again.
 */
export function sameForwarding(known: RealServerColumns, i: number, wanted: RealServerColumns, j: number): boolean {
  if (known.forwarding[i] === LOCAL) return true
  if (known.forwarding[i] !== wanted.forwarding[j]) return false
  if (known.forwarding[i] !== TUNNEL) return true
  if (known.tunnelType[i] !== wanted.tunnelType[j] || heededFlags(known, i) !== heededFlags(wanted, j)) return false
  return known.tunnelType[i] !== GUE || known.tunnelPort[i] === wanted.tunnelPort[j]
}

/** A real server as it is written and listed: complete, without counters. */
export type ServerState = Pick<RealServer, 'address' | 'port' | 'forwarding' | 'weight' | 'upperThreshold' | 'lowerThreshold' | 'tunnel'>

/** A row without its counters as an object. */
export function decodeServerState(columns: RealServerColumns, row: number): ServerState {
  return {
    address: addressAt(columns, row),
    port: columns.port[row] ?? 0,
    forwarding: FORWARDING_METHODS[columns.forwarding[row] ?? 0] ?? 'masquerade',
    weight: columns.weight[row] ?? 0,
    upperThreshold: columns.upperThreshold[row] ?? 0,
    lowerThreshold: columns.lowerThreshold[row] ?? 0,
    tunnel: decodeTunnel(columns, row)
  }
}

/** One row of a listing as an object. Written out twice, as parts that are spread, or added to an object that is made, make many objects slow. */
export function decodeServer(columns: RealServerListColumns, row: number, statistics?: IpvsStatistics): RealServer {
  if (statistics === undefined) {
    return {
      address: addressAt(columns, row),
      port: columns.port[row] ?? 0,
      family: columns.family[row] === AF_INET ? 'ip' : 'ip6',
      forwarding: FORWARDING_METHODS[columns.forwarding[row] ?? 0] ?? 'masquerade',
      weight: columns.weight[row] ?? 0,
      upperThreshold: columns.upperThreshold[row] ?? 0,
      lowerThreshold: columns.lowerThreshold[row] ?? 0,
      tunnel: decodeTunnel(columns, row),
      activeConnections: columns.activeConnections[row] ?? 0,
      inactiveConnections: columns.inactiveConnections[row] ?? 0,
      persistentConnections: columns.persistentConnections[row] ?? 0
    }
  }
  return {
    address: addressAt(columns, row),
    port: columns.port[row] ?? 0,
    family: columns.family[row] === AF_INET ? 'ip' : 'ip6',
    forwarding: FORWARDING_METHODS[columns.forwarding[row] ?? 0] ?? 'masquerade',
    weight: columns.weight[row] ?? 0,
    upperThreshold: columns.upperThreshold[row] ?? 0,
    lowerThreshold: columns.lowerThreshold[row] ?? 0,
    tunnel: decodeTunnel(columns, row),
    activeConnections: columns.activeConnections[row] ?? 0,
    inactiveConnections: columns.inactiveConnections[row] ?? 0,
    persistentConnections: columns.persistentConnections[row] ?? 0,
    statistics
  }
}

/** A real server in a row as text: `10.0.0.5:8080`. */
export function describeServerRow(columns: RealServerKeyColumns, row: number): string {
  return formatSocketAddress(addressAt(columns, row), columns.port[row] ?? 0)
}
