/**
 * Evaluates the filters that the client compiles, as native/conntrack/filter.cc does.
 */
import { endianness } from 'node:os'
import { PRESENT, tupleForm } from '../../conntrack/constants.js'
import { CONDITION } from '../../conntrack/filter-program.js'
import type { FakeFlow } from './rows.js'

const LITTLE = endianness() === 'LE'
const SIDES = [
  ['originalSource', 'originalDestination'],
  ['replySource', 'replyDestination']
] as const

type Side = (typeof SIDES)[number][number]

/** A condition, of which one of the same `group` must hold. */
interface Test {
  readonly group: string
  readonly holds: (flow: FakeFlow) => boolean
}

type Reader = (payload: DataView) => Test

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
const u32 = (view: DataView, at: number): number => view.getUint32(at, LITTLE)
const sideOf = (view: DataView): Side => SIDES[view.getUint8(0) as 0 | 1][view.getUint8(1) as 0 | 1]
const has = (flow: FakeFlow, part: keyof typeof PRESENT): boolean => (flow.present & PRESENT[part]) !== 0

function isInPrefix(address: Uint8Array, prefix: Uint8Array, length: number): boolean {
  for (let bit = 0; bit < length; bit++) if (((address[bit >> 3]! ^ prefix[bit >> 3]!) & (0x80 >> (bit & 7))) !== 0) return false
  return true
}

/** The port of a side, of protocols that have ports. */
function portOf(flow: FakeFlow, side: Side): number | undefined {
  return tupleForm(flow.protocol) === 'ports' ? flow[`${side}Port`] : undefined
}

let serial = 0
/** A group of its own: the condition must hold whatever the others say. */
const alone = (): string => `alone ${++serial}`

/** A set of endpoints: members are `family port address`, of which a port that does not count is empty. */
function endpoints(view: DataView): Test {
  const side = sideOf(view)
  const [isInverted, withPort] = [view.getUint8(2) !== 0, view.getUint8(3) !== 0]
  const members = new Set<string>()
  for (let at = 4; at < view.byteLength; at += 20)
    members.add(
      `${view.getUint8(at)} ${withPort ? view.getUint16(at + 2, LITTLE) : ''} ${bytesOf(view)
        .slice(at + 4, at + 20)
        .join()}`
    )
  const isMember = (flow: FakeFlow): boolean => members.has(`${flow.family} ${withPort ? portOf(flow, side) : ''} ${flow[side].join()}`)
  // A set too large for one attribute goes on in another: in any of those, or in none.
  return isInverted ? { group: alone(), holds: (flow) => !isMember(flow) } : { group: `in ${side}`, holds: isMember }
}

const READERS: Readonly<Record<number, Reader>> = {
  [CONDITION.family]: (view) => ({ group: alone(), holds: ({ family }) => family === view.getUint8(0) }),
  [CONDITION.protocols]: (view) => ({ group: 'protocols', holds: ({ protocol }) => bytesOf(view).includes(protocol) }),
  [CONDITION.address]: (view) => {
    const [side, family, length] = [sideOf(view), view.getUint8(2), view.getUint8(3)]
    const prefix = bytesOf(view).slice(4, 20)
    return { group: `address ${side}`, holds: (flow) => flow.family === family && isInPrefix(flow[side], prefix, length) }
  },
  [CONDITION.ports]: (view) => {
    const [side, first, last] = [sideOf(view), view.getUint16(4, LITTLE), view.getUint16(6, LITTLE)]
    const isIn = (port: number | undefined): boolean => port !== undefined && port >= first && port <= last
    return { group: `ports ${side}`, holds: (flow) => isIn(portOf(flow, side)) }
  },
  [CONDITION.zone]: (view) => {
    const [direction, zone] = [view.getUint8(0) === 0 ? 'original' : 'reply', view.getUint16(2, LITTLE)] as const
    const isOwn = (flow: FakeFlow): boolean => has(flow, `${direction}Zone`)
    return { group: alone(), holds: (flow) => (isOwn(flow) ? flow[`${direction}Zone`] : flow.zone) === zone }
  },
  [CONDITION.mark]: (view) => ({ group: alone(), holds: ({ mark }) => (mark & u32(view, 4)) >>> 0 === u32(view, 0) }),
  [CONDITION.status]: (view) => ({ group: alone(), holds: ({ status }) => (status & u32(view, 4)) >>> 0 === u32(view, 0) }),
  [CONDITION.endpoints]: endpoints,
  [CONDITION.states]: (view) => ({ group: 'states', holds: (flow) => has(flow, 'state') && bytesOf(view).includes(flow.state) }),
  [CONDITION.timeout]: (view) => ({
    group: alone(),
    holds: ({ timeoutSeconds }) => timeoutSeconds >= u32(view, 0) && timeoutSeconds <= u32(view, 4)
  }),
  [CONDITION.started]: (view) => {
    const [min, max] = [view.getBigUint64(0, LITTLE), view.getBigUint64(8, LITTLE)]
    return { group: alone(), holds: (flow) => has(flow, 'start') && flow.startNanoseconds >= min && flow.startNanoseconds <= max }
  },
  [CONDITION.helper]: (view) => {
    const name = new TextDecoder().decode(bytesOf(view))
    return { group: 'helper', holds: ({ helper }) => helper === name }
  },
  [CONDITION.labels]: (view) => ({
    group: alone(),
    holds: ({ labels }) => bytesOf(view).every((byte, at) => ((labels[at] ?? 0) & byte) === byte)
  }),
  [CONDITION.id]: (view) => ({ group: alone(), holds: ({ id }) => id === u32(view, 0) }),
  [CONDITION.icmpTypes]: (view) => ({
    group: 'types',
    holds: ({ originalDestinationPort }) => bytesOf(view).includes(originalDestinationPort >>> 8)
  })
}

/** Which flows a compiled filter means; no filter, all. */
export function matcherOf(program: Uint8Array | undefined): (flow: FakeFlow) => boolean {
  if (program === undefined) return () => true
  const clauses: Map<string, Test[]>[] = []
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  for (let at = 0; at < program.length;) {
    const [length, type] = [view.getUint16(at, LITTLE), view.getUint16(at + 2, LITTLE)]
    if (type === CONDITION.clause) clauses.push(new Map())
    else {
      const test = READERS[type]!(new DataView(program.buffer, program.byteOffset + at + 4, length - 4))
      const clause = clauses.at(-1)!
      clause.set(test.group, [...(clause.get(test.group) ?? []), test])
    }
    at += (length + 3) & ~3
  }
  return (flow) => clauses.some((clause) => [...clause.values()].every((group) => group.some(({ holds }) => holds(flow))))
}
