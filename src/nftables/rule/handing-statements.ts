/**
 * Statements that hand packets to somebody else: to a local socket, a program, another link, a proxy of the kernel. By the names that nft has.
 */
import { isIPv6 } from 'node:net'
import { ValidationError } from '../../core/errors.js'
import type { SynproxyFlag } from '../further-expressions.js'
import { checkNumber } from './checks.js'
import { constantNode } from './constants.js'
import type { ForwardStatement, PlainStatement, ProxyStatement, QueueFlag, QueueStatement, ValueNode } from './nodes.js'
import { Selector } from './selector.js'

const MAX_U16 = 0xffff

function addressNode(path: string, address: string | Selector<never>): ValueNode {
  return address instanceof Selector ? address.node : constantNode(path, isIPv6(address) ? 'ipv6_addr' : 'ipv4_addr', address)
}

function checkFamily(family: unknown): void {
  if (family !== undefined && family !== 'ip' && family !== 'ip6') throw new ValidationError('family', family, 'ip, ip6')
}

/** Options of {@link tproxy}. */
export interface ProxyOptions {
  /** Of the socket; default the packet's own destination. */
  readonly address?: string | Selector<never> | undefined
  /** Of the socket; default the packet's own destination. */
  readonly port?: number | Selector<number> | Selector<never> | undefined
  /** Which packets are meant where no address says it; default: what the table has. */
  readonly family?: 'ip' | 'ip6' | undefined
}

/**
 * Hands the packet to a local socket that has IP_TRANSPARENT, without changing it: `tproxy({ address: '127.0.0.1', port: 8080 })`. For hook `prerouting`; the rule says before which of TCP and
 * UDP it means.
 *
 * @throws {ValidationError} Neither address nor port.
 */
export function tproxy({ address, port, family }: ProxyOptions): ProxyStatement {
  if (address === undefined && port === undefined) throw new ValidationError('address', address, 'an address, a port, or both')
  checkFamily(family)
  return {
    kind: 'proxy',
    family,
    address: address === undefined ? undefined : addressNode('address', address),
    port: port === undefined ? undefined : port instanceof Selector ? port.node : constantNode('port', 'inet_service', port)
  }
}

const QUEUE_FLAGS: readonly QueueFlag[] = ['bypass', 'fanout']

/** Options of {@link queue}. */
export interface QueueOptions {
  /** `bypass`: the packet passes where no program listens. `fanout`: queues by processor, not by flow. */
  readonly flags?: readonly QueueFlag[] | undefined
}

/** Which queue: one, one of a range, or the one that a selector has. */
export type QueueArgument = number | { readonly from: number; readonly to: number } | Selector<number> | Selector<never>

/**
 * Hands the packet to a program that listens on nfnetlink_queue, which says what happens to it. Needs CONFIG_NFT_QUEUE. `queue(3)`, `queue({ from: 0, to: 3 }, { flags: ['fanout'] })`,
 * `queue(numgen.inc(4))`.
 *
 * @throws {ValidationError} A queue is not from 0 to 65535; `fanout` without a range.
 */
export function queue(to: QueueArgument, { flags = [] }: QueueOptions = {}): PlainStatement | QueueStatement {
  for (const [index, flag] of flags.entries())
    if (!QUEUE_FLAGS.includes(flag)) throw new ValidationError(`flags[${index}]`, flag, QUEUE_FLAGS.join(', '))
  if (to instanceof Selector) {
    if (flags.includes('fanout')) throw new ValidationError('flags', flags, 'no fanout beside a queue that the rule computes')
    return { kind: 'queue', number: to.node, flags }
  }
  const range = typeof to === 'object' ? to : { from: to, to }
  checkNumber(typeof to === 'object' ? 'queue.from' : 'queue', range.from, 0, MAX_U16)
  checkNumber('queue.to', range.to, range.from, MAX_U16)
  if (flags.includes('fanout') && range.from === range.to) throw new ValidationError('flags', flags, 'fanout only beside a range of queues')
  return { kind: 'plain', expression: { type: 'queue', number: range.from, total: range.to - range.from + 1, flags } }
}

/** Options of {@link synproxy}: what the server answers to a SYN. */
export interface SynproxyOptions {
  /** Greatest segment, bytes, 0–65535. */
  readonly mss?: number | undefined
  /** 0–14. */
  readonly windowScale?: number | undefined
  readonly timestamp?: boolean | undefined
  readonly sackPerm?: boolean | undefined
}

const MAX_WINDOW_SCALE = 14

/**
 * Answers SYN packets in the server's place, and lets only those connections on that are completed. For hooks `input` and `forward`, on packets of TCP that connection tracking
 * takes for invalid or does not track (Linux 5.4).
 *
 * @throws {ValidationError}
 */
export function synproxy({ mss, windowScale, timestamp = false, sackPerm = false }: SynproxyOptions = {}): PlainStatement {
  if (mss !== undefined) checkNumber('mss', mss, 0, MAX_U16)
  if (windowScale !== undefined) checkNumber('windowScale', windowScale, 0, MAX_WINDOW_SCALE)
  const wanted: readonly (readonly [SynproxyFlag, boolean])[] = [
    ['mss', mss !== undefined],
    ['wscale', windowScale !== undefined],
    ['sack-perm', sackPerm],
    ['timestamp', timestamp]
  ]
  return {
    kind: 'plain',
    expression: {
      type: 'synproxy',
      mss: mss ?? 0,
      windowScale: windowScale ?? 0,
      flags: wanted.filter(([, isWanted]) => isWanted).map(([flag]) => flag)
    }
  }
}

/** A link by its index, 1 and above, or the index that a selector has. */
export type DeviceArgument = number | Selector<number> | Selector<never>

const MAX_INDEX = 0x7fff_ffff

function deviceNode(device: DeviceArgument): ValueNode {
  if (device instanceof Selector) return device.node
  checkNumber('device', device, 1, MAX_INDEX)
  return constantNode('device', 'iface_index', device)
}

/** Where {@link dup} sends the copy. */
export interface DuplicateOptions {
  /** In tables of families ip and ip6: the neighbour. */
  readonly to?: string | Selector<never> | undefined
  /** The link; in tables of family netdev it is what says where. */
  readonly device?: DeviceArgument | undefined
}

/**
 * Sends a copy of the packet elsewhere: `dup({ to: '10.0.0.9', device: 2 })`, in tables of families ip and ip6; `dup({ device: 2 })` in those of family netdev.
 *
 * @throws {ValidationError} Neither address nor link.
 */
export function dup({ to, device }: DuplicateOptions): ForwardStatement {
  if (to === undefined && device === undefined) throw new ValidationError('to', to, 'an address, a device, or both')
  return {
    kind: 'dup',
    ...(to === undefined ? {} : { address: addressNode('to', to) }),
    ...(device === undefined ? {} : { device: deviceNode(device) })
  }
}

/** Sends the packet itself by another link, and with `to` to that neighbour there. In tables of family netdev. @throws {ValidationError} */
export function fwd(device: DeviceArgument, { to }: { readonly to?: string | Selector<never> | undefined } = {}): ForwardStatement {
  return { kind: 'fwd', device: deviceNode(device), ...(to === undefined ? {} : { address: addressNode('to', to) }) }
}

/** Remembers when a packet last came here; `nft list` and the listing say how long ago it was (Linux 5.15). */
export const last = (): PlainStatement => ({ kind: 'plain', expression: { type: 'last' } })
