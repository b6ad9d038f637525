/**
 * Expressions of the statements that hand packets to somebody else.
 */
import { ValidationError } from '../../core/errors.js'
import type { Expression } from '../expressions.js'
import type { Family } from '../families.js'
import { addressFamilyOf, agreedFamily } from './actions.js'
import type { ForwardStatement, ProxyStatement, QueueStatement, ValueNode } from './nodes.js'
import type { ProtocolContext } from './protocols.js'
import { registerNumber } from './registers.js'
import { loadValue, roomFor, type Loader } from './values.js'

/** Loads what there is of several values, one behind the other, and says where each lies. */
function loadAll(
  values: readonly (ValueNode | undefined)[],
  loader: Loader
): { readonly expressions: Expression[]; readonly registers: (number | undefined)[] } {
  const loaded = values.map((value) => {
    if (value === undefined) return undefined
    const unit = loader.registers.take(roomFor(value))
    return { expressions: loadValue(value, unit, loader), register: registerNumber(unit) }
  })
  return { expressions: loaded.flatMap((each) => each?.expressions ?? []), registers: loaded.map((each) => each?.register) }
}

function fields(entries: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined))
}

/** `tproxy to …`. @throws {ValidationError} */
export function compileProxy(statement: ProxyStatement, family: Family, protocols: ProtocolContext, loader: Loader): Expression[] {
  if (!['ip', 'ip6', 'inet'].includes(family)) throw new ValidationError('tproxy', family, 'a table of family ip, ip6 or inet')
  if (!protocols.hasTransport)
    throw new ValidationError('tproxy', undefined, 'a condition on TCP or UDP before it, such as tcp.dport or meta.l4proto')
  const { address, port } = statement
  return loader.registers.scope(() => {
    const { expressions, registers } = loadAll([address, port], loader)
    const [addressRegister, portRegister] = registers
    const version = agreedFamily([address && addressFamilyOf(address), statement.family], family) ?? 'unspec'
    return [...expressions, { type: 'tproxy', family: version, ...fields({ addressRegister, portRegister }) }]
  })
}

/** `queue to numgen …`. @throws {ValidationError} */
export function compileQueue({ number, flags }: QueueStatement, loader: Loader): Expression[] {
  return loader.registers.scope(() => {
    const { expressions, registers } = loadAll([number], loader)
    return [...expressions, { type: 'queue', ...fields({ numberRegister: registers[0] }), flags }]
  })
}

/** `dup to …`, `fwd to …`. @throws {ValidationError} */
export function compileForward({ kind, device, address }: ForwardStatement, family: Family, loader: Loader): Expression[] {
  const isLink = family === 'netdev'
  if (kind === 'fwd' && !isLink) throw new ValidationError(kind, family, 'a table of family netdev')
  if (kind === 'dup' && isLink !== (address === undefined))
    throw new ValidationError(kind, family, 'an address in tables of families ip and ip6, a device alone in those of family netdev')
  if (kind === 'dup' && !isLink && family !== 'ip' && family !== 'ip6')
    throw new ValidationError(kind, family, 'a table of family ip, ip6 or netdev')
  const version = agreedFamily([address && addressFamilyOf(address)], family)
  return loader.registers.scope(() => {
    const isAddressFirst = kind === 'dup'
    const { expressions, registers } = loadAll(isAddressFirst ? [address, device] : [device, address], loader)
    const [addressRegister, deviceRegister] = isAddressFirst ? registers : [registers[1], registers[0]]
    const operands = fields({ addressRegister, deviceRegister })
    return kind === 'dup'
      ? [...expressions, { type: 'dup', ...operands }]
      : [
          ...expressions,
          { type: 'fwd', deviceRegister: deviceRegister!, ...operands, ...(version === undefined ? {} : { family: version }) }
        ]
  })
}
