/**
 * `multiport`: several ports at once. Source: include/uapi/linux/netfilter/xt_multiport.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { IPPROTO } from '../../../core/protocols.js'
import type { ExtensionContext, OptionReader } from '../extension.js'
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { list, struct, u16, u8 } from '../layout.js'
import { MAX_PORT, rangeWord, requireRange, type NumberRange } from '../ranges.js'
import { invertibleOption, printOption, type Word } from '../words.js'
import { match } from './match.js'

/** Ports and ranges of ports: at most 15, where a range counts twice. */
export type PortList = readonly NumberRange[]

/** Options of the match `multiport`. The rule asks for one of the protocols tcp, udp, udplite, sctp and dccp. */
export type MultiportOptions =
  | { readonly sourcePorts: Invertible<PortList> }
  | { readonly destinationPorts: Invertible<PortList> }
  /** Source or destination port. */
  | { readonly ports: Invertible<PortList> }

/** What the options of a line say. */
export interface MultiportDraft {
  sourcePorts?: Invertible<PortList>
  destinationPorts?: Invertible<PortList>
  ports?: Invertible<PortList>
}

/** Which ports are meant, in the order of the kernel's numbers. */
const SIDES = ['sourcePorts', 'destinationPorts', 'ports'] as const
const PRINTED = { sourcePorts: '--sports', destinationPorts: '--dports', ports: '--ports' } as const

const MAX_PORTS = 15

const INFO = struct(48, {
  side: u8(0),
  count: u8(1),
  ports: list(2, MAX_PORTS, u16),
  startsRange: list(32, MAX_PORTS, u8),
  isInverted: u8(47)
})

const PORT = rangeWord({ max: MAX_PORT, separator: ':' })

const PORT_LIST: Word<PortList> = {
  allowed: `at most ${MAX_PORTS} ports or ranges FIRST:LAST with commas between them, where a range counts twice`,
  read: (text) => {
    const ports = text.split(',').map((word) => (/^([0-9]+):\1$/.test(word) ? undefined : PORT.read(word)))
    return ports.includes(undefined) || countOf(ports as PortList) > MAX_PORTS ? undefined : (ports as PortList)
  },
  print: (ports) => ports.map(PORT.print).join(',')
}

function countOf(ports: PortList): number {
  return ports.reduce<number>((count, port) => count + (typeof port === 'number' ? 1 : 2), 0)
}

/** Ports one after the other, and which of them are the first of a range. */
interface Slots {
  readonly ports: number[]
  readonly startsRange: number[]
}

function slotsOf(path: string, given: unknown): Slots {
  if (!Array.isArray(given) || given.length === 0) throw new ValidationError(path, given, 'a list of ports and ranges')
  const slots: Slots = { ports: [], startsRange: [] }
  for (const [index, port] of given.entries()) {
    const [first, last] = requireRange(`${path}[${index}]`, port, MAX_PORT)
    slots.ports.push(...(first === last ? [first] : [first, last]))
    slots.startsRange.push(...(first === last ? [0] : [1, 0]))
  }
  if (slots.ports.length > MAX_PORTS) throw new ValidationError(path, given, `at most ${MAX_PORTS} ports, where a range counts twice`)
  return slots
}

function encode(options: MultiportOptions) {
  const [name, ...others] = SIDES.filter((side) => side in options)
  if (name === undefined || others.length > 0) throw new ValidationError('ports', options, 'sourcePorts, destinationPorts or ports')
  const { value, isInverted } = splitInvertible((options as Required<MultiportDraft>)[name])
  const slots = slotsOf(name, value)
  return { ...slots, side: SIDES.indexOf(name), count: slots.ports.length, isInverted: Number(isInverted) }
}

function optionsFrom(side: number, ports: PortList, isInverted: boolean): MultiportOptions | undefined {
  const name = SIDES[side]
  return name === undefined ? undefined : ({ [name]: invertible(ports, isInverted) } as unknown as MultiportOptions)
}

/** The ports of the slots that are in use; undefined where a range has no end. */
function portsFrom(slots: Slots): PortList | undefined {
  const ports: NumberRange[] = []
  for (let index = 0; index < slots.ports.length; index++) {
    const [first, last] = [slots.ports[index]!, slots.ports[index + 1]]
    const isRange = slots.startsRange[index] !== 0
    if (isRange && last === undefined) return undefined
    ports.push(isRange ? [first, last!] : first)
    if (isRange) index += 1
  }
  return ports
}

const SOURCE = invertibleOption('sourcePorts', PORT_LIST)
const DESTINATION = invertibleOption('destinationPorts', PORT_LIST)
const OPTIONS: Readonly<Record<string, OptionReader<MultiportDraft>>> = {
  '--source-ports': SOURCE,
  '--sports': SOURCE,
  '--destination-ports': DESTINATION,
  '--dports': DESTINATION,
  '--ports': invertibleOption('ports', PORT_LIST)
}

const { tcp, udp, udplite, sctp, dccp } = IPPROTO

/** The match. */
export const MULTIPORT_1 = match<'multiport', MultiportOptions, MultiportDraft>({
  name: 'multiport',
  families: ['ip', 'ip6'],
  protocols: [tcp, udp, udplite, sctp, dccp],
  module: 'xt_multiport',
  fields: SIDES,
  print: (options: MultiportOptions): string[] =>
    SIDES.flatMap((side) => printOption(PRINTED[side], (options as MultiportDraft)[side], PORT_LIST)),
  draft: (): MultiportDraft => ({}),
  options: OPTIONS,
  finish: (draft: MultiportDraft, _: ExtensionContext, fail: (allowed: string) => never): MultiportOptions =>
    Object.keys(draft).length === 1 ? (draft as MultiportOptions) : fail('one of --sports, --dports and --ports'),
  revision: 1,
  size: INFO.size,
  encode: (options) => INFO.write(encode(options)),
  decode: (info) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const ports = portsFrom({ ports: read.ports.slice(0, read.count), startsRange: read.startsRange.slice(0, read.count) })
    return ports && optionsFrom(read.side, ports, read.isInverted !== 0)
  }
})
