/**
 * What rules can look at beside headers: the packet's socket, its route, what IPsec does to it, the system that it seems to come from. By the names that nft has.
 */
import { ValidationError } from '../../core/errors.js'
import { dataType, type DataTypeName } from '../datatypes.js'
import type { FingerprintExpression, SocketExpression, TransformationExpression } from '../further-expressions.js'
import { checkNumber } from './checks.js'
import type { LoadNode } from './nodes.js'
import { Selector } from './selector.js'
import type { AddressValue } from './headers.js'

function load<Value>(expression: LoadNode['expression'], type: DataTypeName): Selector<Value> {
  return new Selector<Value>({ kind: 'load', expression, type: dataType('type', type) })
}

function ofSocket<Value>(key: SocketExpression['key'], type: DataTypeName): Selector<Value> {
  return load({ type: 'socket', key }, type)
}

const MAX_LEVEL = 255

/** The local socket that the packet belongs to; where there is none, the rule does not match. */
export const socket = {
  /** 1 where it has IP_TRANSPARENT, else 0. */
  transparent: ofSocket<number>('transparent', 'integer8'),
  /** Its SO_MARK (Linux 5.2). */
  mark: ofSocket<number>('mark', 'mark'),
  /** 1 where it is bound to all addresses, else 0 (Linux 5.10). */
  wildcard: ofSocket<number>('wildcard', 'integer8'),
  /**
   * The id of its control group's ancestor at a level of the tree, 1–255 (Linux 5.13): the number of the inode in the file system of cgroup2, as `stat` has it.
   *
   * @throws {ValidationError}
   */
  cgroupv2(level: number): Selector<bigint | number> {
    checkNumber('level', level, 1, MAX_LEVEL)
    return load({ type: 'socket', key: 'cgroupv2', level }, 'host_integer64')
  }
} as const

/** The packet's route. For hooks behind the routing decision. */
export const rt = {
  /** Realm. */
  classid: load<number>({ type: 'rt', key: 'classid' }, 'realm'),
  ip: { nexthop: load<AddressValue>({ type: 'rt', key: 'nexthop-ip' }, 'ipv4_addr') },
  ip6: { nexthop: load<AddressValue>({ type: 'rt', key: 'nexthop-ip6' }, 'ipv6_addr') },
  /** Bytes of the greatest segment of TCP that fits into packets of the route. */
  mtu: load<number>({ type: 'rt', key: 'tcpmss' }, 'host_integer16'),
  /** 1 where IPsec transforms what goes there, else 0 (Linux 4.20). */
  ipsec: load<number>({ type: 'rt', key: 'ipsec' }, 'boolean')
} as const

/** What a transformation of IPsec has. */
export interface TransformationSelectors {
  readonly reqid: Selector<number>
  /** Security parameter index. */
  readonly spi: Selector<number>
  /** Ends of the tunnel. */
  readonly ip: { readonly saddr: Selector<AddressValue>; readonly daddr: Selector<AddressValue> }
  readonly ip6: { readonly saddr: Selector<AddressValue>; readonly daddr: Selector<AddressValue> }
}

/**
 * The transformation of IPsec that the packet came through (`in`) or will go through (`out`); where there is none, the rule does not match (Linux 4.20).
 *
 * @param spnum Which one, 0 the outermost, up to 255.
 * @throws {ValidationError}
 */
export function ipsec(direction: 'in' | 'out', { spnum = 0 }: { readonly spnum?: number } = {}): TransformationSelectors {
  if (!['in', 'out'].includes(direction)) throw new ValidationError('direction', direction, 'in, out')
  checkNumber('spnum', spnum, 0, 0xff)
  const of = <Value>(key: TransformationExpression['key'], type: DataTypeName): Selector<Value> =>
    load({ type: 'xfrm', key, direction, spnum }, type)
  return {
    reqid: of('reqid', 'host_integer32'),
    spi: of('spi', 'integer32'),
    ip: { saddr: of('saddr-ip', 'ipv4_addr'), daddr: of('daddr-ip', 'ipv4_addr') },
    ip6: { saddr: of('saddr-ip6', 'ipv6_addr'), daddr: of('daddr-ip6', 'ipv6_addr') }
  }
}

const TTLS: readonly NonNullable<FingerprintExpression['ttl']>[] = ['equal', 'loose', 'skip']

/** The operating system that a SYN packet looks like, by the fingerprints that `nfnl_osf` loaded. */
export interface FingerprintSelectors {
  /** `Linux`, `Windows`, `MacOs`, …; `unknown` where nothing fits. */
  readonly name: Selector<string>
  /** Name and version, `Linux:3.0`. */
  readonly version: Selector<string>
}

/** Asks for the system by the packet's first SYN: `osf().name.eq('Linux')`. `ttl`: default `equal`. @throws {ValidationError} */
export function osf({ ttl = 'equal' }: { readonly ttl?: 'equal' | 'loose' | 'skip' } = {}): FingerprintSelectors {
  if (!TTLS.includes(ttl)) throw new ValidationError('ttl', ttl, TTLS.join(', '))
  return { name: load({ type: 'osf', ttl, flags: [] }, 'string'), version: load({ type: 'osf', ttl, flags: ['version'] }, 'string') }
}
