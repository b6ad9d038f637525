/**
 * Headers inside tunnels, and those of tunnels: `inner('vxlan', ip.saddr)`, `vxlan.vni` (Linux 6.2).
 */
import { ValidationError } from '../../core/errors.js'
import { dataType, type DataTypeName } from '../datatypes.js'
import type { TunnelName } from './nodes.js'
import { Selector } from './selector.js'
import { TUNNEL_FORMS } from './tunnels.js'

const INNER_KEYS: readonly unknown[] = ['protocol', 'l4proto']

/**
 * A field inside a tunnel: of the headers there, or `meta.protocol` and `meta.l4proto`. `vxlan` and `geneve` run over UDP: the rule says before at which port.
 * `rule(udp.dport.eq(4789), inner('vxlan', ip.saddr).eq('10.0.0.1'), accept())`.
 *
 * @throws {ValidationError} What cannot be asked for inside, such as fields that only some messages of ICMP have.
 */
export function inner<Value>(tunnel: TunnelName, field: Selector<Value>): Selector<Value> {
  if (!Object.hasOwn(TUNNEL_FORMS, tunnel)) throw new ValidationError('tunnel', tunnel, Object.keys(TUNNEL_FORMS).join(', '))
  const { node } = field
  const isField = node.kind === 'payload' && node.icmpTypes === undefined
  if (!isField && !(node.kind === 'meta' && INNER_KEYS.includes(node.key)))
    throw new ValidationError('field', node.kind, 'a field of a header, meta.protocol or meta.l4proto')
  return new Selector<Value>({ kind: 'inner', tunnel, field: node, type: node.type })
}

function own<Value>(tunnel: TunnelName, offset: number, type: DataTypeName): Selector<Value> {
  return new Selector<Value>({ kind: 'inner', tunnel, own: offset, type: dataType('type', type) })
}

/** Header of VXLAN, behind that of UDP. */
export const vxlan = { flags: own<number>('vxlan', 0, 'integer8'), vni: own<number>('vxlan', 4, 'integer24') } as const

/** Header of Geneve, behind that of UDP. */
export const geneve = { type: own<string | number>('geneve', 2, 'ether_type'), vni: own<number>('geneve', 4, 'integer24') } as const
