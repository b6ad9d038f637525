/**
 * Statements that do something.
 */
import { ValidationError } from '../../core/errors.js'
import type { Expression, NatFlag } from '../expressions.js'
import type { Family } from '../families.js'
import type {
  AssignmentStatement,
  DynamicSetStatement,
  ObjectMapStatement,
  RejectStatement,
  TranslationStatement,
  ValueNode,
  ValueRange,
  VerdictStatement
} from './nodes.js'
import { typesOf } from './nodes.js'
import type { Dependency, ProtocolContext } from './protocols.js'
import { REGISTER_BYTES, registerNumber, unitsOf, VERDICT_REGISTER } from './registers.js'
import { loadValue, needsByteorder, roomFor, widthOf, type Loader } from './values.js'

/** `accept`, `jump …`. A chain that belongs to the rule goes by its id. */
export function verdictExpression({ verdict, chain }: VerdictStatement, chainId?: number): Expression {
  const target = chainId === undefined ? (chain === undefined ? {} : { chain }) : { chainId }
  return { type: 'immediate', destinationRegister: VERDICT_REGISTER, data: { verdict, ...target } }
}

function storeExpression(target: AssignmentStatement['target'], sourceRegister: number): Expression {
  if (target.kind === 'load') return { ...target.expression, sourceRegister } as Expression
  if (target.kind === 'meta') return { type: 'meta', key: target.key, sourceRegister }
  return { type: 'ct', key: target.key, sourceRegister, ...(target.direction === undefined ? {} : { direction: target.direction }) }
}

/** `meta mark set …`, `tcp option maxseg size set …`. @throws {ValidationError} */
export function compileAssignment({ target, value }: AssignmentStatement, loader: Loader): Expression[] {
  const [type, ...more] = typesOf(value)
  // What the kernel makes itself lies in host order; options of packets are written in network order.
  const isTurned = target.kind === 'load' && type !== undefined && needsByteorder(type)
  const fits =
    type !== undefined &&
    more.length === 0 &&
    type.length === target.type.length &&
    (type.length === 1 || isTurned || type.byteOrder === target.type.byteOrder)
  if (!fits)
    throw new ValidationError(
      'value',
      typesOf(value)
        .map(({ name }) => name)
        .join(' . '),
      `a value of type ${target.type.name}, or of its size and byte order`
    )
  return loader.registers.scope(() => {
    const unit = loader.registers.take(roomFor(value))
    const sourceRegister = registerNumber(unit)
    return [...loadValue(value, unit, loader, isTurned), storeExpression(target, sourceRegister)]
  })
}

/** `counter name … map …`. @throws {ValidationError} */
export function compileObjectMap({ key, map }: ObjectMapStatement, loader: Loader): Expression[] {
  const resolved = loader.sets.resolve(map, key)
  return loader.registers.scope(() => {
    const unit = loader.registers.take(roomFor(key))
    return [
      ...loadValue(key, unit, loader, resolved.isInterval),
      { type: 'objref', setSourceRegister: registerNumber(unit), ...resolved.reference }
    ]
  })
}

/** `update @set { … }`. @throws {ValidationError} */
export function compileDynamicSet(statement: DynamicSetStatement, loader: Loader): Expression[] {
  const { key, data, set, timeoutMs, expressions } = statement
  return loader.registers.scope(() => {
    const keyUnit = loader.registers.take(data === undefined ? roomFor(key) : Math.max(REGISTER_BYTES, widthOf(key)))
    const loadKey = loadValue(key, keyUnit, loader)
    const dataUnit = data === undefined ? undefined : loader.registers.take(roomFor(data))
    const loadData = data === undefined ? [] : loadValue(data, dataUnit!, loader)
    const dynset: Expression = {
      type: 'dynset',
      set: set.name,
      ...(set.id === undefined ? {} : { setId: set.id }),
      op: statement.operation,
      keyRegister: registerNumber(keyUnit),
      ...(dataUnit === undefined ? {} : { dataRegister: registerNumber(dataUnit) }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(expressions.length === 1 ? { expression: expressions[0]! } : {}),
      ...(expressions.length > 1 ? { expressions, flags: ['expression'] as const } : {})
    }
    return [...loadKey, ...loadData, dynset]
  })
}

const ADDRESS_FAMILY: Readonly<Record<string, 'ip' | 'ip6'>> = { ipv4_addr: 'ip', ipv6_addr: 'ip6' }

/** The version of IP of an address; undefined for what is no address. */
export function addressFamilyOf(address: ValueNode): 'ip' | 'ip6' | undefined {
  return ADDRESS_FAMILY[typesOf(address)[0]!.name]
}

/** The family that the addresses, the statement and the table have, as far as each has one; undefined: none has. @throws {ValidationError} They differ. */
export function agreedFamily(said: readonly ('ip' | 'ip6' | undefined)[], table: Family): 'ip' | 'ip6' | undefined {
  const known = [...said, table === 'ip' || table === 'ip6' ? table : undefined].filter((name) => name !== undefined)
  if (known.some((name) => name !== known[0]))
    throw new ValidationError('family', known.join(', '), 'one family for the table, the addresses and what is said')
  return known[0]
}

/** The family of translated addresses: what the addresses are, what was said, or the table's. @throws {ValidationError} */
function translationFamily(statement: TranslationStatement, family: Family): 'ip' | 'ip6' {
  const ofAddress = statement.address === undefined ? undefined : addressFamilyOf(statement.address.from)
  if (statement.address !== undefined && ofAddress === undefined)
    throw new ValidationError('to', typesOf(statement.address.from)[0]!.name, 'an address, or an address and a port')
  const agreed = agreedFamily([statement.family, ofAddress], family)
  if (agreed === undefined) throw new ValidationError('family', undefined, "'ip' or 'ip6', as the table is of neither")
  return agreed
}

/** Loads the ends of a range; a single value is its own end and takes one register. */
function loadRange(
  range: ValueRange,
  loader: Loader
): { readonly expressions: Expression[]; readonly min: number; readonly max: number | undefined } {
  const min = loader.registers.take(REGISTER_BYTES)
  const max = range.to === undefined ? undefined : loader.registers.take(REGISTER_BYTES)
  const expressions = [...loadValue(range.from, min, loader), ...(range.to === undefined ? [] : loadValue(range.to, max!, loader))]
  return { expressions, min, max }
}

const FLAG_ORDER: readonly NatFlag[] = ['proto-specified', 'random', 'persistent', 'fully-random']

function translationFlags(statement: TranslationStatement): { readonly flags?: readonly NatFlag[] } {
  const wanted = new Set<NatFlag>(statement.flags)
  if (statement.port !== undefined) wanted.add('proto-specified')
  const flags = FLAG_ORDER.filter((flag) => wanted.has(flag))
  return flags.length === 0 ? {} : { flags }
}

/** Where the port lies when a value is `address . port`. @throws {ValidationError} */
function portInside(address: ValueNode): number | undefined {
  const [first, second, ...more] = typesOf(address)
  if (second === undefined) return undefined
  if (second.name !== 'inet_service' || more.length > 0)
    throw new ValidationError(
      'to',
      typesOf(address)
        .map(({ name }) => name)
        .join(' . '),
      'an address, or an address and a port'
    )
  return unitsOf(first!.length)
}

/** `dnat to …`, `snat to …`, `masquerade`, `redirect`. @throws {ValidationError} */
export function compileTranslation(statement: TranslationStatement, family: Family, loader: Loader): Expression[] {
  return loader.registers.scope(() => {
    const { address, port, action } = statement
    const inside = address === undefined ? undefined : portInside(address.from)
    if (inside !== undefined && port !== undefined) throw new ValidationError('port', 'a port', 'no port beside a value that has one')
    const addresses = address === undefined ? undefined : loadRange(address, loader)
    const ports = port === undefined ? undefined : loadRange(port, loader)
    const register = (name: string, unit: number | undefined): object => (unit === undefined ? {} : { [name]: registerNumber(unit) })
    const protoMin = inside === undefined ? ports?.min : addresses!.min + inside
    const operands = {
      ...register('addressMinRegister', addresses?.min),
      ...register('addressMaxRegister', addresses?.max),
      ...register('protoMinRegister', protoMin),
      ...register('protoMaxRegister', ports?.max),
      ...translationFlags(statement)
    }
    const expression: Expression =
      action === 'masquerade'
        ? { type: 'masq', ...operands }
        : action === 'redirect'
          ? { type: 'redir', ...operands }
          : { type: 'nat', nat: action, family: translationFamily(statement, family), ...operands }
    return [...(addresses?.expressions ?? []), ...(ports?.expressions ?? []), expression]
  })
}

/** ICMP_PORT_UNREACH, ICMPV6_PORT_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH: the defaults of nft. */
const PORT_UNREACHABLE = { icmp: 3, icmpv6: 4, icmpx: 1 } as const

/** What is asked at the very beginning of the rule, so that nothing happens to packets that are not rejected, and the expression itself. @throws {ValidationError} */
export function compileReject(
  statement: RejectStatement,
  family: Family,
  protocols: ProtocolContext
): { readonly before: readonly Dependency[]; readonly expression: Expression } {
  if (family === 'arp') throw new ValidationError('reject', family, 'a table of another family')
  const ofTable = family === 'ip' || family === 'ip6'
  if (statement.with === 'tcp-reset')
    return { before: protocols.requireHeader('tcp'), expression: { type: 'reject', with: 'tcp-reset', icmpCode: 0 } }
  const known = protocols.network
  const kind = statement.with === 'default' ? (known === undefined ? 'icmpx' : known === 'ip' ? 'icmp' : 'icmpv6') : statement.with
  const icmpCode = statement.code ?? PORT_UNREACHABLE[kind]
  if (kind === 'icmpx') {
    if (ofTable) throw new ValidationError('with', kind, `${family === 'ip' ? 'icmp' : 'icmpv6'} in a table of family ${family}`)
    return { before: [], expression: { type: 'reject', with: 'icmpx-unreachable', icmpCode } }
  }
  const before = protocols.requireHeader(kind === 'icmp' ? 'ip' : 'ip6')
  return { before, expression: { type: 'reject', with: 'icmp-unreachable', icmpCode } }
}
