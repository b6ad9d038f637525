/**
 * Time-outs, information and synchronisation daemons between the caller's words and records of native/ipvs/schemas.cc.
 */
import { formatAddress, requireAddress } from '../core/address.js'
import { requireInteger, requireObject } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import type { NativeRecord } from '../native/index.js'
import { requireName, requireText } from './checks.js'
import type { IpvsInfo, IpvsTimeouts, SyncDaemon } from './types.js'

/** The kernel counts time-outs in jiffies, in 31 bits, at up to 1000 a second (ip_vs_set_timeout). */
const MAX_SECONDS = 2_147_483
const timeoutNames = ['tcpSeconds', 'tcpFinSeconds', 'udpSeconds'] as const
const roles = { master: 'master', backup: 'backup' } as const

/** @throws {ValidationError} A time-out is out of range (0 would leave it as it is), or there is none. */
export function encodeTimeouts(timeouts: Partial<IpvsTimeouts>): NativeRecord {
  requireObject('timeouts', timeouts, timeoutNames.join(', '))
  const given = timeoutNames.filter((name) => timeouts[name] !== undefined)
  if (given.length === 0) throw new ValidationError('timeouts', timeouts, `at least one of ${timeoutNames.join(', ')}`)
  return Object.fromEntries(given.map((name) => [name, requireInteger(`timeouts.${name}`, timeouts[name], 1, MAX_SECONDS)]))
}

const numberOf = (record: NativeRecord | undefined, name: string): number => Number(record?.[name] ?? 0)

export function decodeTimeouts(record: NativeRecord | undefined): IpvsTimeouts {
  const [tcpSeconds, tcpFinSeconds, udpSeconds] = timeoutNames.map((name) => numberOf(record, name)) as [number, number, number]
  return { tcpSeconds, tcpFinSeconds, udpSeconds }
}

export function decodeInfo(record: NativeRecord | undefined): IpvsInfo {
  const version = numberOf(record, 'version')
  const parts = [version >>> 16, (version >>> 8) & 0xff, version & 0xff]
  return { version: parts.join('.'), connectionTableSize: numberOf(record, 'connectionTableSize') }
}

export function requireRole(path: string, role: unknown): SyncDaemon['role'] {
  return requireName(path, role, roles)
}

// The kernel takes nothing else (ip_vs_genl_new_daemon).
function encodeGroup(path: string, group: string): NativeRecord {
  const bytes = requireAddress(path, group)
  const isMulticast = bytes.length === 4 ? ((bytes[0] ?? 0) & 0xf0) === 0xe0 : bytes[0] === 0xff
  if (!isMulticast) throw new ValidationError(path, group, 'a multicast address: 224.0.0.0/4 or ff00::/8')
  return bytes.length === 4 ? { group: bytes } : { group6: bytes }
}

/** @throws {ValidationError} */
export function encodeDaemon(path: string, daemon: SyncDaemon): NativeRecord {
  requireObject(path, daemon, '{ role, interface, syncId }')
  const { maximumLength, group, port, ttl } = daemon
  return {
    daemon: {
      role: requireRole(`${path}.role`, daemon.role),
      interface: requireText(`${path}.interface`, daemon.interface),
      syncId: requireInteger(`${path}.syncId`, daemon.syncId, 0, 255),
      ...(maximumLength !== undefined && { maximumLength: requireInteger(`${path}.maximumLength`, maximumLength, 1, 65_535) }),
      ...(group !== undefined && encodeGroup(`${path}.group`, group)),
      ...(port !== undefined && { port: requireInteger(`${path}.port`, port, 1, 65_535) }),
      ...(ttl !== undefined && { ttl: requireInteger(`${path}.ttl`, ttl, 1, 255) })
    }
  }
}

/** `daemon` of native/ipvs/schemas.cc as the kernel fills it. */
interface DaemonRecord extends Omit<SyncDaemon, 'group'> {
  readonly group?: Uint8Array
  readonly group6?: Uint8Array
}

export function decodeDaemon(record: NativeRecord): SyncDaemon {
  const { role, interface: link, syncId, maximumLength, group, group6, port, ttl } = record.daemon as DaemonRecord
  const address = group ?? group6
  return {
    role,
    interface: link,
    syncId,
    ...(maximumLength !== undefined && { maximumLength }),
    ...(address !== undefined && { group: formatAddress(address) }),
    ...(port !== undefined && { port }),
    ...(ttl !== undefined && { ttl })
  }
}
