/**
 * From a filter in the caller's words to its program, with every check.
 */
import { requirePrefix } from '../core/address.js'
import { requireFields, requireInteger, toList } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import { Slices } from '../core/slices.js'
import { MAX_U32, requireKnown, requireLabels, requirePorts, requireProtocol, requireWideAddress } from './checks.js'
import { PROTOCOLS, STATES, STATUSES } from './constants.js'
import type { FlowFilter } from './filter.js'
import { CONDITION, FilterProgram } from './filter-program.js'

/** Direction and side by the beginning of a field's name. */
const SIDES = {
  originalSource: [0, 0],
  originalDestination: [0, 1],
  replySource: [1, 0],
  replyDestination: [1, 1]
} as const

type SideName = keyof typeof SIDES

const NANOSECONDS = 1_000_000_000n
const NAT_BITS = STATUSES['source-nat'] | STATUSES['destination-nat']
const NAT_VALUES = { source: STATUSES['source-nat'], destination: STATUSES['destination-nat'] } as const

/** What is known of a clause while its fields are compiled. */
interface Clause {
  readonly path: string
  readonly program: FilterProgram
  readonly protocols: readonly number[]
  family: number
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

function requireSome(path: string, list: readonly unknown[]): void {
  if (list.length === 0) throw new ValidationError(path, list, 'at least one entry, or no such field: nothing would match')
}

/** IPv4 and IPv6 conditions in one clause could never hold together. */
function agreeOnFamily(clause: Clause, path: string, value: unknown, family: number): void {
  if (clause.family !== 0 && clause.family !== family)
    throw new ValidationError(
      path,
      value,
      `an ${clause.family === AF_INET ? 'IPv4' : 'IPv6'} address: the filter asks for that family elsewhere`
    )
}

function compileAddresses(clause: Clause, name: SideName, value: unknown): void {
  const path = `${clause.path}.${name}`
  const list = listOf(value)
  requireSome(path, list)
  const prefixes = list.map((text, index) => {
    const place = Array.isArray(value) ? `${path}[${index}]` : path
    const prefix = requirePrefix(place, text)
    const family = prefix.address.length === 4 ? AF_INET : AF_INET6
    agreeOnFamily(clause, place, text, family)
    return { ...prefix, family }
  })
  for (const { address, length, family } of prefixes) {
    const wide = new Uint8Array(16)
    wide.set(address)
    clause.program.bytes(CONDITION.address, [...SIDES[name], family, length, ...wide])
  }
  const [first, ...others] = prefixes
  if (others.every(({ family }) => family === first!.family)) clause.family = first!.family
}

function compilePorts(clause: Clause, name: SideName, value: unknown): void {
  const path = `${clause.path}.${name}Port`
  requirePorts(path, value, clause.protocols)
  const list = listOf(value)
  requireSome(path, list)
  for (const [index, entry] of list.entries()) {
    const place = Array.isArray(value) ? `${path}[${index}]` : path
    const isRange = typeof entry === 'object' && entry !== null
    const { first, last } = isRange ? (entry as { first: unknown; last: unknown }) : { first: entry, last: entry }
    const from = requireInteger(isRange ? `${place}.first` : place, first, 0, 65_535)
    const to = requireInteger(isRange ? `${place}.last` : place, last, from, 65_535)
    clause.program.sided(CONDITION.ports, [...SIDES[name], 0, 0], from, to)
  }
}

function compileEndpoints(clause: Clause, name: SideName, isInverted: boolean, value: unknown): void {
  const path = `${clause.path}.${name}${isInverted ? 'NotIn' : 'In'}`
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) throw new ValidationError(path, value, 'endpoints')
  let withPort: boolean | undefined
  const rows = [...(value as Iterable<unknown>)].map((entry, index) => {
    const place = `${path}[${index}]`
    const { address, port } = requireFields(place, entry)
    const wide = requireWideAddress(`${place}.address`, address)
    withPort ??= port !== undefined
    if ((port !== undefined) !== withPort) throw new ValidationError(`${place}.port`, port, 'a port for every endpoint, or for none')
    return { ...wide, port: port === undefined ? 0 : requireInteger(`${place}.port`, port, 0, 65_535) }
  })
  if (withPort === true) requirePorts(path, value, clause.protocols)
  clause.program.endpoints([...SIDES[name], isInverted ? 1 : 0, withPort === true ? 1 : 0], rows)
}

function compileMark(clause: Clause, value: unknown): void {
  const path = `${clause.path}.mark`
  if (typeof value === 'number') {
    clause.program.words(CONDITION.mark, requireInteger(path, value, 0, MAX_U32), MAX_U32)
    return
  }
  const { value: number, mask = MAX_U32 } = requireFields(path, value)
  const bits = requireInteger(`${path}.mask`, mask, 1, MAX_U32)
  const wanted = requireInteger(`${path}.value`, number, 0, MAX_U32)
  if ((wanted & ~bits) !== 0) throw new ValidationError(`${path}.value`, number, `no bits outside of the mask 0x${bits.toString(16)}`)
  clause.program.words(CONDITION.mark, wanted, bits)
}

function compileStatus(clause: Clause, value: unknown): void {
  const path = `${clause.path}.status`
  const wanted = requireFields(path, value)
  requireKnown(path, wanted, Object.keys(STATUSES))
  let bits = 0
  let mask = 0
  for (const [name, isSet] of Object.entries(wanted)) {
    if (isSet === undefined) continue
    if (typeof isSet !== 'boolean') throw new ValidationError(`${path}.${name}`, isSet, 'true or false')
    mask |= STATUSES[name as keyof typeof STATUSES]
    if (isSet) bits |= STATUSES[name as keyof typeof STATUSES]
  }
  if (mask === 0) throw new ValidationError(path, value, 'at least one status bit, or no such field')
  clause.program.words(CONDITION.status, bits, mask)
}

function compileStates(clause: Clause, value: unknown): void {
  const path = `${clause.path}.state`
  const names = clause.protocols.length === 1 ? STATES[clause.protocols[0]!] : undefined
  if (names === undefined) throw new ValidationError(path, value, 'a state only beside protocol tcp, sctp or dccp')
  const numbers = listOf(value).map((name) => {
    const number = names.indexOf(String(name))
    if (number < 0) throw new ValidationError(path, name, names.join(', '))
    return number
  })
  requireSome(path, numbers)
  clause.program.bytes(CONDITION.states, numbers)
}

function bounds(path: string, value: unknown, max: number): { atLeast: number; atMost: number } {
  const { atLeast = 0, atMost = max } = requireFields(path, value)
  requireKnown(path, value as Readonly<Record<string, unknown>>, ['atLeast', 'atMost'])
  if (Object.values(value as object).every((bound) => bound === undefined))
    throw new ValidationError(path, value, 'atLeast, atMost or both, or no such field')
  const min = requireInteger(`${path}.atLeast`, atLeast, 0, max)
  return { atLeast: min, atMost: requireInteger(`${path}.atMost`, atMost, min, max) }
}

function compileAge(clause: Clause, value: unknown): void {
  const now = BigInt(Date.now()) * 1_000_000n
  const { atLeast, atMost } = bounds(`${clause.path}.ageSeconds`, value, MAX_U32)
  const since = (seconds: number): bigint => {
    const at = now - BigInt(seconds) * NANOSECONDS
    return at < 0n ? 0n : at
  }
  // A flow that began after this moment is of age 0.
  const latest = atLeast === 0 ? 0xffffffffffffffffn : since(atLeast)
  clause.program.longs(CONDITION.started, atMost === MAX_U32 ? 0n : since(atMost), latest)
}

function compileHelpers(clause: Clause, value: unknown): void {
  const list = listOf(value)
  requireSome(`${clause.path}.helper`, list)
  for (const name of list) {
    if (typeof name !== 'string' || name === '' || name.includes('\0'))
      throw new ValidationError(`${clause.path}.helper`, name, "a helper's name")
    clause.program.bytes(CONDITION.helper, Buffer.from(name))
  }
}

function compileIcmpTypes(clause: Clause, value: unknown): void {
  const path = `${clause.path}.icmpType`
  const isIcmp = clause.protocols.length > 0 && clause.protocols.every((number) => number === PROTOCOLS.icmp || number === PROTOCOLS.icmpv6)
  if (!isIcmp) throw new ValidationError(path, value, 'a type only beside protocol icmp or icmpv6')
  const types = listOf(value).map((type) => requireInteger(path, type, 0, 255))
  requireSome(path, types)
  clause.program.bytes(CONDITION.icmpTypes, types)
}

function compileNat({ path, program }: Clause, value: unknown): void {
  if (value === 'none') program.words(CONDITION.status, 0, NAT_BITS)
  else if (value === 'source' || value === 'destination') program.words(CONDITION.status, NAT_VALUES[value], NAT_VALUES[value])
  else throw new ValidationError(`${path}.nat`, value, 'source, destination, any, none')
}

/** What each field compiles to; `family`, `protocol` and `nat: 'any'` are seen to before. */
const FIELDS: Readonly<Record<string, (clause: Clause, value: unknown) => void>> = {
  ...Object.fromEntries(
    (Object.keys(SIDES) as SideName[]).flatMap((name) => [
      [name, (clause: Clause, value: unknown) => compileAddresses(clause, name, value)],
      [`${name}Port`, (clause: Clause, value: unknown) => compilePorts(clause, name, value)]
    ])
  ),
  replySourceIn: (clause, value) => compileEndpoints(clause, 'replySource', false, value),
  replySourceNotIn: (clause, value) => compileEndpoints(clause, 'replySource', true, value),
  originalDestinationIn: (clause, value) => compileEndpoints(clause, 'originalDestination', false, value),
  originalDestinationNotIn: (clause, value) => compileEndpoints(clause, 'originalDestination', true, value),
  icmpType: compileIcmpTypes,
  zone: ({ path, program }, value) => {
    const zone = requireInteger(`${path}.zone`, value, 0, 65_535)
    program.zone(0, zone)
    program.zone(1, zone)
  },
  originalZone: ({ path, program }, value) => program.zone(0, requireInteger(`${path}.originalZone`, value, 0, 65_535)),
  replyZone: ({ path, program }, value) => program.zone(1, requireInteger(`${path}.replyZone`, value, 0, 65_535)),
  mark: compileMark,
  status: compileStatus,
  nat: compileNat,
  state: compileStates,
  timeoutSeconds: ({ path, program }, value) => {
    const { atLeast, atMost } = bounds(`${path}.timeoutSeconds`, value, MAX_U32)
    program.words(CONDITION.timeout, atLeast, atMost)
  },
  ageSeconds: compileAge,
  helper: compileHelpers,
  labels: ({ path, program }, value) => program.bytes(CONDITION.labels, requireLabels(`${path}.labels`, value)),
  id: ({ path, program }, value) => program.words(CONDITION.id, requireInteger(`${path}.id`, value, 0, MAX_U32))
}
const KNOWN = ['family', 'protocol', ...Object.keys(FIELDS)]

function requireFamily(path: string, value: unknown): number {
  if (value === undefined) return 0
  if (value === 'ip') return AF_INET
  if (value === 'ip6') return AF_INET6
  throw new ValidationError(path, value, 'ip, ip6')
}

function compileClause(program: FilterProgram, path: string, filter: Readonly<Record<string, unknown>>): void {
  program.bytes(CONDITION.clause, [])
  const protocols =
    filter['protocol'] === undefined ? [] : listOf(filter['protocol']).map((name) => requireProtocol(`${path}.protocol`, name))
  if (filter['protocol'] !== undefined) {
    requireSome(`${path}.protocol`, protocols)
    program.bytes(CONDITION.protocols, protocols)
  }
  const clause: Clause = { path, program, protocols, family: requireFamily(`${path}.family`, filter['family']) }
  for (const [name, compile] of Object.entries(FIELDS)) if (filter[name] !== undefined) compile(clause, filter[name])
  if (clause.family !== 0) program.bytes(CONDITION.family, [clause.family])
}

/** The filter with lists for what can be iterated once only: it is read again and again. */
function repeatable(path: string, filter: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const isOnce = (value: unknown): value is Iterable<unknown> =>
    typeof value === 'object' && value !== null && Symbol.iterator in value && !Array.isArray(value)
  return Object.fromEntries(
    Object.entries(filter).map(([name, value]) => [
      name,
      isOnce(value) || Array.isArray(value) ? toList(`${path}.${name}`, value as Iterable<unknown>) : value
    ])
  )
}

/** `nat: 'any'` is two filters: translated in the one way, or in the other. */
function alternatives(filter: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>[] {
  return filter['nat'] === 'any'
    ? [
        { ...filter, nat: 'source' },
        { ...filter, nat: 'destination' }
      ]
    : [filter]
}

/** The filters that a caller gives, with their places. */
function* placed(filter: unknown, path: string): Generator<readonly [place: string, fields: Readonly<Record<string, unknown>>]> {
  const isList = Array.isArray(filter)
  const filters = listOf(filter)
  requireSome(path, filters)
  for (const [index, entry] of filters.entries()) {
    const place = isList ? `${path}[${index}]` : path
    const fields = requireFields(place, entry)
    requireKnown(place, fields, KNOWN)
    yield [place, repeatable(place, fields)]
  }
}

/**
 * The program of a filter, or of several of which one must hold; undefined where every flow is meant.
 *
 * @throws {ValidationError} A condition is malformed, or can never hold (an IPv6 prefix beside an IPv4 one, a port of a protocol without ports).
 */
export function compileFilter(filter: FlowFilter | readonly FlowFilter[] | undefined, path = 'options.filter'): Uint8Array | undefined {
  if (filter === undefined) return undefined
  const program = new FilterProgram()
  for (const [place, fields] of placed(filter, path)) for (const clause of alternatives(fields)) compileClause(program, place, clause)
  return program.finish()
}

/** Whether a field of a filter leaves any flow out: not "from elsewhere than nowhere". */
function isCondition([name, value]: readonly [string, unknown]): boolean {
  return value !== undefined && !(name.endsWith('NotIn') && Array.isArray(value) && value.length === 0)
}

/**
 * As {@link compileFilter} for what is to be deleted, in slices: a change of many services asks for thousands of filters.
 *
 * @throws {ValidationError} Also where a filter has no condition: that would be every flow.
 */
export async function compileRemoval(filter: FlowFilter | readonly FlowFilter[]): Promise<Uint8Array> {
  const program = new FilterProgram()
  const slices = new Slices()
  for (const [place, fields] of placed(filter, 'filter')) {
    if (!Object.entries(fields).some(isCondition))
      throw new ValidationError(place, fields, 'at least one condition; flush() deletes every flow')
    for (const clause of alternatives(fields)) compileClause(program, place, clause)
    if (slices.isOver) await slices.turn()
  }
  return program.finish()
}
