/**
 * Expressions that run inside tunnels.
 */
import type { Expression, InnerExpression, MetaExpression, PayloadExpression } from '../expressions.js'
import type { InnerNode, TunnelName } from './nodes.js'

interface Form {
  readonly flags: InnerExpression['flags']
  /** Bytes. */
  readonly headerSize: number
}

const ETHERNET: Form = { flags: ['header-size', 'link', 'network', 'transport'], headerSize: 8 }

/** What tunnels have (nftables, src/proto.c). */
export const TUNNEL_FORMS: Readonly<Record<TunnelName, Form>> = {
  vxlan: ETHERNET,
  geneve: ETHERNET,
  gre: { flags: ['network', 'transport'], headerSize: 4 },
  gretap: { flags: ['link', 'network', 'transport'], headerSize: 4 }
}

/** An expression, run on what is inside a tunnel. */
export function insideTunnel(tunnel: TunnelName, expression: PayloadExpression | MetaExpression): Expression {
  return { type: 'inner', number: 0, tunnel, ...TUNNEL_FORMS[tunnel], expression }
}

/** Loads of `payload` and `meta` run inside a tunnel; others stay as they are. */
export function allInsideTunnel(tunnel: TunnelName, expressions: readonly Expression[]): Expression[] {
  return expressions.map((expression) =>
    expression.type === 'payload' || expression.type === 'meta' ? insideTunnel(tunnel, expression) : expression
  )
}

/** The expression that loads a field inside a tunnel, or one of its own header. */
export function innerLoad({ tunnel, field, own, type }: InnerNode, destinationRegister: number): Expression {
  if (field?.kind === 'meta') return insideTunnel(tunnel, { type: 'meta', key: field.key, destinationRegister })
  const { base, offset } = field ?? { base: 'tunnel' as const, offset: own ?? 0 }
  return insideTunnel(tunnel, { type: 'payload', destinationRegister, base, offset, length: type.length })
}
