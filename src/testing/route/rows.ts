/**
 * What the fake of the route kernel holds, and how it looks to the client.
 */
import { AF_INET } from '../../core/protocols.js'
import { type NativeColumns, type NativeLink } from '../../native/index.js'

/** IFF_UP (include/uapi/linux/if.h). */
export const IFF_UP = 1
const WIDTH = 16
/** "For ever" (INFINITY_LIFE_TIME), and "no symbol". */
export const NONE = 0xffffffff
// include/uapi/linux/if_arp.h
const ETHERNET = 1
const LOOPBACK = 772

/** An address of a link. */
export interface FakeAddress {
  readonly family: number
  /** 16 bytes as in the columns. */
  readonly bytes: Uint8Array
  readonly prefixLength: number
  readonly scope: number
  flags: number
  protocol: number
  /** Seconds from `sinceMs` (of performance.now()) on; {@link NONE}: for ever. */
  validSeconds: number
  preferredSeconds: number
  sinceMs: number
}

/** A link. */
export interface FakeLink {
  readonly index: number
  readonly name: string
  readonly kind: string | undefined
  flags: number
  mtu: number
  /** Absent: one that goes by the index. */
  readonly hardwareAddress?: Uint8Array | undefined
  addresses: FakeAddress[]
}

/** A link as the addon gives it. */
export function nativeLink({ index, name, kind, flags, mtu, hardwareAddress }: FakeLink): NativeLink {
  const isLoopback = kind === undefined
  const value = {
    name,
    mtu,
    operationalState: (flags & IFF_UP) === 0 ? 'down' : 'unknown',
    hardwareAddress: isLoopback ? new Uint8Array(6) : (hardwareAddress ?? Uint8Array.of(2, 0, 0, 0, index >> 8, index & 255)),
    ...(kind !== undefined && { info: { kind } })
  }
  return { index, hardwareType: isLoopback ? LOOPBACK : ETHERNET, flags, value }
}

/** An address as it lies in the columns. */
export function padded(bytes: readonly number[]): Uint8Array {
  const address = new Uint8Array(WIDTH)
  address.set(bytes)
  return address
}

/** Whether two addresses of one family are the same. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, at) => byte === b[at])
}

/** Whether two addresses are of one prefix. */
export function isSameNetwork(a: FakeAddress, b: FakeAddress): boolean {
  if (a.family !== b.family || a.prefixLength !== b.prefixLength) return false
  for (let bit = 0; bit < a.prefixLength; bit += 1) {
    const mask = 0x80 >> (bit & 7)
    if (((a.bytes[bit >> 3] ?? 0) & mask) !== ((b.bytes[bit >> 3] ?? 0) & mask)) return false
  }
  return true
}

/** One row of what the client sends. */
export function addressAt(columns: NativeColumns, row: number): FakeAddress {
  const number = (name: string): number => (columns[name] as Uint8Array | Uint32Array | undefined)?.[row] ?? 0
  const bytes = (columns.address as Uint8Array).slice(row * WIDTH, (row + 1) * WIDTH)
  return {
    family: number('family'),
    bytes,
    prefixLength: number('prefixLength'),
    scope: number('scope'),
    flags: number('flags'),
    protocol: number('protocol'),
    ...lifetimesOf((name) => (columns[name] as Uint32Array | undefined)?.[row])
  }
}

/** Lifetimes that begin now; what is not said lasts for ever. */
export function lifetimesOf(
  column: (name: 'validLifetimeSeconds' | 'preferredLifetimeSeconds') => number | undefined = () => undefined
): Pick<FakeAddress, 'validSeconds' | 'preferredSeconds' | 'sinceMs'> {
  return {
    validSeconds: column('validLifetimeSeconds') ?? NONE,
    preferredSeconds: column('preferredLifetimeSeconds') ?? NONE,
    sinceMs: performance.now()
  }
}

/** Of a lifetime. */
export function secondsLeft({ sinceMs }: FakeAddress, seconds: number): number {
  return seconds === NONE ? NONE : Math.max(0, seconds - Math.floor((performance.now() - sinceMs) / 1000))
}

/** Columns as a list of the kernel's has them. */
export function toColumns(rows: readonly { link: FakeLink; address: FakeAddress }[]): NativeColumns {
  const labels = [...new Set(rows.filter(({ address }) => address.family === AF_INET).map(({ link }) => link.name))]
  const address = new Uint8Array(rows.length * WIDTH)
  for (const [at, row] of rows.entries()) address.set(row.address.bytes, at * WIDTH)
  return {
    rows: rows.length,
    linkIndex: Uint32Array.from(rows, ({ link }) => link.index),
    family: Uint8Array.from(rows, (row) => row.address.family),
    address,
    prefixLength: Uint8Array.from(rows, (row) => row.address.prefixLength),
    scope: Uint8Array.from(rows, (row) => row.address.scope),
    flags: Uint32Array.from(rows, (row) => row.address.flags),
    protocol: Uint8Array.from(rows, (row) => row.address.protocol),
    peer: new Uint8Array(0),
    peerOffsets: new Uint32Array(rows.length + 1),
    broadcast: new Uint8Array(0),
    broadcastOffsets: new Uint32Array(rows.length + 1),
    label: Uint32Array.from(rows, ({ link, address: { family } }) => (family === AF_INET ? labels.indexOf(link.name) : NONE)),
    labelTable: labels,
    validLifetimeSeconds: Uint32Array.from(rows, (row) => secondsLeft(row.address, row.address.validSeconds)),
    preferredLifetimeSeconds: Uint32Array.from(rows, (row) => secondsLeft(row.address, row.address.preferredSeconds))
  }
}
