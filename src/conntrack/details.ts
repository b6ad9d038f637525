/**
 * What few flows have, and expectations: records of native/conntrack/schemas.cc.
 */
import { formatAddress } from '../core/address.js'
import { AF_INET6 } from '../core/protocols.js'
import type { NativeHeaderedRecord, NativeRecord } from '../native/index.js'
import { DCCP_STATES, protocolName, tupleForm } from './constants.js'
import type { Expectation, Flow, FlowProtocol, FlowTuple, SequenceAdjustment } from './types.js'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A tuple with its protocol, as a record has it. */
export type ProtocolTuple = FlowTuple & { readonly protocol: FlowProtocol }

interface TupleRecord {
  readonly addresses?: Readonly<Record<'source' | 'destination' | 'source6' | 'destination6', Uint8Array | undefined>>
  readonly protocol?: Readonly<Record<string, number | undefined>>
  readonly zone?: number
}

function addressOf(record: TupleRecord, side: 'source' | 'destination'): string {
  const bytes = record.addresses?.[side] ?? record.addresses?.[`${side}6`]
  return bytes === undefined ? '' : formatAddress(bytes)
}

/** A tuple of a record. */
export function decodeTuple(record: TupleRecord): ProtocolTuple {
  const protocol = record.protocol ?? {}
  const number = protocol['number'] ?? 0
  const form = tupleForm(number)
  const ports = { sourcePort: protocol['sourcePort'], destinationPort: protocol['destinationPort'] }
  const parts = {
    ports,
    keys: { sourceKey: ports.sourcePort, destinationKey: ports.destinationPort },
    icmp: {
      icmpId: protocol['icmpId'] ?? protocol['icmpv6Id'],
      icmpType: protocol['icmpType'] ?? protocol['icmpv6Type'],
      icmpCode: protocol['icmpCode'] ?? protocol['icmpv6Code']
    },
    none: {}
  }
  return {
    protocol: protocolName(number) as FlowProtocol,
    source: addressOf(record, 'source'),
    destination: addressOf(record, 'destination'),
    ...parts[form],
    ...(record.zone === undefined ? {} : { zone: record.zone })
  }
}

/** The record of a tuple, the other way. */
export function encodeTuple(
  family: 'ip' | 'ip6',
  number: number,
  addresses: { readonly source: Uint8Array; readonly destination: Uint8Array },
  parts: { readonly source: number; readonly destination: number }
): NativeRecord {
  const six = family === 'ip6'
  const form = tupleForm(number)
  const icmp = six ? 'icmpv6' : 'icmp'
  const protocol = {
    ports: { sourcePort: parts.source, destinationPort: parts.destination },
    keys: { sourcePort: parts.source, destinationPort: parts.destination },
    icmp: { [`${icmp}Id`]: parts.source, [`${icmp}Type`]: parts.destination >>> 8, [`${icmp}Code`]: parts.destination & 0xff },
    none: {}
  }
  return {
    addresses: { [six ? 'source6' : 'source']: addresses.source, [six ? 'destination6' : 'destination']: addresses.destination },
    protocol: { number, ...protocol[form] }
  }
}

/** Adds what a record of kDetailSchema says to a flow. */
export function decodeDetails(details: NativeRecord, flow: Mutable<Flow>): void {
  const record = details as {
    readonly master?: TupleRecord
    readonly originalAdjustment?: SequenceAdjustment
    readonly replyAdjustment?: SequenceAdjustment
    readonly synproxy?: Flow['synproxy']
    readonly protocolInformation?: { readonly dccp?: { readonly state: number; readonly role: number; readonly handshakeSequence: bigint } }
  }
  const { master, originalAdjustment: original, replyAdjustment: reply, synproxy } = record
  if (master !== undefined) flow.master = decodeTuple(master)
  if (original !== undefined || reply !== undefined) {
    flow.sequenceAdjustment = { ...(original === undefined ? {} : { original }), ...(reply === undefined ? {} : { reply }) }
  }
  if (synproxy !== undefined) flow.synproxy = synproxy
  const dccp = record.protocolInformation?.dccp
  if (dccp !== undefined) {
    flow.state = DCCP_STATES[dccp.state]
    flow.dccp = { role: dccp.role === 0 ? 'client' : 'server', handshakeSequence: dccp.handshakeSequence }
  }
}

/** A mask is written as a tuple, whose protocol number is a mask too: the form is that of the tuple it belongs to. */
function maskOf(record: TupleRecord, number: number | undefined): FlowTuple {
  const mask: Partial<Mutable<ProtocolTuple>> & FlowTuple = decodeTuple({ ...record, protocol: { ...record.protocol, number } })
  delete mask.protocol
  return mask
}

/** An expectation. */
export function decodeExpectation({ family, value }: NativeHeaderedRecord): Expectation {
  const record = value as unknown as Record<string, unknown> & {
    readonly tuple: TupleRecord
    readonly mask: TupleRecord
    readonly master: TupleRecord
    readonly nat?: { readonly direction: number; readonly tuple: TupleRecord }
  }
  const { protocol, ...tuple } = decodeTuple(record.tuple)
  const mask = maskOf(record.mask, record.tuple.protocol?.['number'])
  const nat = record.nat
  const optional = { zone: record['zone'], helper: record['helper'], function: record['function'] } as Partial<Expectation>
  return {
    family: family === AF_INET6 ? 'ip6' : 'ip',
    protocol,
    tuple,
    mask,
    master: decodeTuple(record.master),
    timeoutSeconds: (record['timeoutSeconds'] as number | undefined) ?? 0,
    id: (record['id'] as number | undefined) ?? 0,
    flags: (record['flags'] as string[] | undefined) ?? [],
    class: (record['class'] as number | undefined) ?? 0,
    ...Object.fromEntries(Object.entries(optional).filter(([, entry]) => entry !== undefined)),
    ...(nat === undefined ? {} : { nat: { direction: nat.direction === 0 ? 'original' : 'reply', tuple: decodeTuple(nat.tuple) } })
  }
}
