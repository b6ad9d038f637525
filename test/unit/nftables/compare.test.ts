import { describe, expect, it } from 'vitest'
import { isSameRule } from '../../../src/nftables/compare.js'
import type { Expression } from '../../../src/nftables/expressions.js'

describe('what kernels add to a rule by themselves is no difference', () => {
  it.each<[string, Expression, Expression]>([
    [
      'a translation to one address and port',
      { type: 'nat', kind: 'dnat', family: 2, addressMinRegister: 1, protoMinRegister: 9 } as never,
      {
        ...{ type: 'nat', kind: 'dnat', family: 2, addressMinRegister: 1, addressMaxRegister: 1 },
        ...{ protoMinRegister: 9, protoMaxRegister: 9, flags: ['specified'] }
      } as never
    ],
    [
      'a redirection to a port',
      { type: 'redir', protoMinRegister: 1 },
      { type: 'redir', protoMinRegister: 1, protoMaxRegister: 1, flags: ['specified' as never] }
    ]
  ])('%s', (_, written, listed) => {
    expect(isSameRule([listed], [written])).toBe(true)
  })

  it('but another port is one', () => {
    expect(isSameRule([{ type: 'redir', protoMinRegister: 2, protoMaxRegister: 2 }], [{ type: 'redir', protoMinRegister: 1 }])).toBe(false)
  })
})
