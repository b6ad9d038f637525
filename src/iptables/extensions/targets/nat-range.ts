/**
 * Addresses and ports that connections are given: `--to-destination`, `--to-source` and `--to-ports`, and the structures of include/uapi/linux/netfilter/nf_nat.h.
 */
import { requireAddress } from '../../../core/address.js'
import { requireInteger, requireKnown, requireObject } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { IPPROTO } from '../../../core/protocols.js'
import type { IptablesFamily } from '../../types.js'
import type { ExtensionContext } from '../extension.js'
import { addressText, printAddress } from '../addresses.js'
import { flagBits, present } from '../flags.js'
import { be16, bytes, struct, u32, type Struct } from '../layout.js'
import { MAX_PORT, rangeOf, requireRange, type NumberRange } from '../ranges.js'
import { printFlag } from '../words.js'
import { codec, type Codec, type Given } from './codec.js'

/** An address, or the first and the last of a range. */
export type AddressRange = string | readonly [first: string, last: string]

/** What a connection's address and port become. */
export interface NatTo {
  /** An address, or the first and the last of a range. Absent: it keeps its own. */
  readonly addresses?: AddressRange
  /** A port, or the first and the last of a range, 0–65535; the rule must ask for a protocol with ports, or for ICMP. Absent: it keeps its own. */
  readonly ports?: NumberRange
  /** DNAT since Linux 4.18: the port that becomes the first of the range, 1–65535; those after it follow in order. */
  readonly basePort?: number
}

/** All that a range of NAT can say; the targets have parts of it. */
export interface NatRange {
  readonly to?: NatTo
  /** Ports are mapped at random. */
  readonly random?: boolean
  /** Ports are mapped at random throughout, by the kernel's random numbers. */
  readonly randomFully?: boolean
  /** A client gets the same address for each of its connections. */
  readonly persistent?: boolean
}

/** NF_NAT_RANGE_* of include/uapi/linux/netfilter/nf_nat.h. */
const MAP_IPS = 1
const PROTO_SPECIFIED = 2
const PROTO_OFFSET = 32
const FLAGS = { random: 4, persistent: 8, randomFully: 16 } as const

/** The options that are flags. */
export type NatFlag = keyof typeof FLAGS

/** The fields that all structures of NAT have. */
interface RangeValues {
  readonly flags: number
  readonly minAddress: Uint8Array
  readonly maxAddress: Uint8Array
  readonly minPort: number
  readonly maxPort: number
  readonly basePort?: number
  readonly rangeSize?: number
}

/** A structure of NAT. */
export type NatLayout = Struct<RangeValues>

/** `nf_nat_ipv4_multi_range_compat`, with one range: the kernel takes no other number. */
export const MULTI_RANGE: NatLayout = struct(20, {
  rangeSize: u32(0),
  flags: u32(4),
  minAddress: bytes(8, 4),
  maxAddress: bytes(12, 4),
  minPort: be16(16),
  maxPort: be16(18)
})

const RANGE_FIELDS = { flags: u32(0), minAddress: bytes(4, 16), maxAddress: bytes(20, 16), minPort: be16(36), maxPort: be16(38) }

/** `nf_nat_range`. */
export const RANGE: NatLayout = struct(40, RANGE_FIELDS)

/** `nf_nat_range2`. */
export const RANGE2: NatLayout = struct(44, { ...RANGE_FIELDS, basePort: be16(40) })

/** The protocols with which iptables takes ports. */
const PORT_PROTOCOLS: readonly number[] = [IPPROTO.tcp, IPPROTO.udp, IPPROTO.sctp, IPPROTO.dccp, IPPROTO.icmp]

/** What a rule must ask for where it maps ports. */
export const PORTS_ALLOWED = 'ports only where the rule asks for the protocol tcp, udp, sctp, dccp or icmp'

/** Whether the rule asks for a protocol that has ports to map. */
export function hasPorts({ protocol }: ExtensionContext): boolean {
  return protocol !== undefined && PORT_PROTOCOLS.includes(protocol)
}

/** The flags that a target has, and their bits. */
type FlagBits = Readonly<Record<string, number>>

/** One target: which structure, which flags, and how its options say the range. */
export interface NatRules<Options extends object> {
  readonly layout: NatLayout
  readonly names: readonly (keyof Options & string)[]
  readonly flags: readonly NatFlag[]
  readonly toRange: (options: Options) => NatRange
  readonly toOptions: (range: NatRange) => Options | undefined
}

/** Both directions between the options of a target and its structure. */
export function natCodec<Options extends object>({ layout, names, flags, toRange, toOptions }: NatRules<Options>): Codec<Options> {
  const known = Object.fromEntries(flags.map((name) => [name, FLAGS[name]]))
  return codec<Options, RangeValues>({
    layout,
    names,
    check: (options, context) => {
      const { ports } = toRange(options).to ?? {}
      if (ports !== undefined && !hasPorts(context)) throw new ValidationError('ports', ports, PORTS_ALLOWED)
    },
    toValues: (options, { family }) => rangeValues(toRange(options), family, known, layout),
    toOptions: (values, { family }) => toOptions(natRange(values, family, known))
  })
}

function rangeValues(range: NatRange, family: IptablesFamily, known: FlagBits, layout: NatLayout): Given<RangeValues> {
  const to = range.to === undefined ? {} : requireObject('to', range.to)
  requireKnown('to.', to, ['addresses', 'ports', 'basePort'])
  const addresses = to.addresses === undefined ? undefined : requireAddresses(to.addresses, family)
  const ports = to.ports === undefined ? undefined : requireRange('ports', to.ports, MAX_PORT)
  const basePort = checkedBase(to, layout)
  const parts = [
    addresses === undefined ? 0 : MAP_IPS,
    ports === undefined ? 0 : PROTO_SPECIFIED,
    basePort === undefined ? 0 : PROTO_OFFSET
  ]
  return {
    rangeSize: 1,
    flags: parts.reduce((all, bit) => all | bit, flagBits(known, { ...range })),
    minAddress: addresses?.[0],
    maxAddress: addresses?.[1],
    minPort: ports?.[0],
    maxPort: ports?.[1],
    basePort
  }
}

/** First and last. @throws {ValidationError} */
function requireAddresses(given: AddressRange, family: IptablesFamily): readonly Uint8Array[] {
  const list = pair(given)
  if (list.length !== 2) throw new ValidationError('addresses', given, 'an address, or the first and the last of a range')
  return list.map((address) => requireAddress('addresses', address, family))
}

/** First and last. */
function pair<Value extends string | number>(given: Value | readonly Value[]): readonly Value[] {
  return typeof given === 'object' ? given : [given, given]
}

/** @throws {ValidationError} A base without a range of ports, or where the structure has none. */
function checkedBase({ basePort, ports }: NatTo, layout: NatLayout): number | undefined {
  if (basePort === undefined) return undefined
  if (layout !== RANGE2) throw new ValidationError('basePort', basePort, 'no base port: only DNAT in its revision 2 has one')
  if (!Array.isArray(ports)) throw new ValidationError('basePort', basePort, 'a base port beside a range of ports')
  return requireInteger('basePort', basePort, 1, MAX_PORT)
}

function natRange(values: RangeValues, family: IptablesFamily, known: FlagBits): NatRange {
  const { flags, minAddress, maxAddress, minPort, maxPort, basePort } = values
  const hasBase = (flags & PROTO_OFFSET) !== 0
  const ports = hasBase ? ([minPort, maxPort] as const) : rangeOf(minPort, maxPort)
  const to = present<NatTo>({
    addresses: (flags & MAP_IPS) === 0 ? undefined : addressRange(addressText(minAddress, family), addressText(maxAddress, family)),
    ports: (flags & PROTO_SPECIFIED) === 0 ? undefined : ports,
    basePort: hasBase ? basePort : undefined
  })
  const set = Object.entries(known).filter(([, bit]) => (flags & bit) !== 0)
  return { ...(Object.keys(to).length > 0 ? { to } : {}), ...Object.fromEntries(set.map(([name]) => [name, true])) }
}

/** The address alone where the range has no other. */
export function addressRange(first: string, last: string): AddressRange {
  return first === last ? first : [first, last]
}

/** `10.0.0.1-10.0.0.9:80-90/70`, as iptables-save prints it; empty where nothing is mapped. */
export function printTo({ addresses, ports, basePort }: NatTo = {}, family: IptablesFamily): string {
  const text = addresses === undefined ? '' : distinct(pair(addresses).map((address) => printAddress(requireAddress('addresses', address))))
  if (ports === undefined) return text
  const inBrackets = text !== '' && family === 'ip6' ? `[${text}]` : text
  return `${inBrackets}:${distinct(pair(ports))}${basePort === undefined ? '' : `/${basePort}`}`
}

/** `80-90`, or `80` where both are the same. */
function distinct(values: readonly (string | number)[]): string {
  return [...new Set(values)].join('-')
}

/** `--random` and its like, in the order of iptables-save. */
export function printFlags({ random, randomFully, persistent }: Omit<NatRange, 'to'>): string[] {
  return [...printFlag('--random', random), ...printFlag('--random-fully', randomFully), ...printFlag('--persistent', persistent)]
}
