import { describe, expect, it } from 'vitest'
import { ValidationError, type Family, type SetFlag } from '../../../../src/index.js'
import {
  accept,
  addElement,
  concat,
  constant,
  counter,
  ct,
  dnat,
  drop,
  ether,
  fib,
  flowAdd,
  goto,
  icmp,
  ip,
  ip6,
  jhash,
  jump,
  limit,
  log,
  masquerade,
  meta,
  numgen,
  quota,
  redirect,
  reject,
  rule,
  snat,
  tcp,
  th,
  udp,
  updateElement,
  useObject
} from '../../../../src/nftables.js'
import type { Expression, RuleStatement } from '../../../../src/nftables.js'
import { compileRule } from '../../../../src/nftables/rule/compile.js'
import type { CompiledRule } from '../../../../src/nftables/rule/compile.js'

function compile(statements: readonly RuleStatement[], family: Family = 'inet'): CompiledRule {
  let id = 0
  return compileRule(statements, { family, table: 't', nextSetId: () => ++id, nextChainId: () => ++id })
}

const kinds = (compiled: CompiledRule): string[] => compiled.expressions.map(({ type }) => type)
const loads = (compiled: CompiledRule): [number, number][] =>
  compiled.expressions.flatMap((expression): [number, number][] =>
    expression.type === 'payload' ? [[expression.offset, expression.length]] : []
  )
const only = <Type extends Expression['type']>(compiled: CompiledRule, type: Type): Extract<Expression, { type: Type }> =>
  compiled.expressions.find((expression): expression is Extract<Expression, { type: Type }> => expression.type === type)!

describe('merging', () => {
  it('joins neighbouring fields', () => {
    expect(loads(compile([tcp.dport.eq(2), tcp.sport.eq(1)]))).toEqual([[0, 4]])
  })

  it('does not carry a condition across an effect', () => {
    const compiled = compile([tcp.sport.eq(1), counter(), tcp.dport.eq(2)])
    expect(kinds(compiled)).toEqual(['meta', 'cmp', 'payload', 'cmp', 'counter', 'payload', 'cmp'])
    expect(kinds(compile([tcp.sport.eq(1), log(), tcp.dport.eq(2)]))).toEqual(['meta', 'cmp', 'payload', 'cmp', 'log', 'payload', 'cmp'])
  })

  it('keeps "neither is" apart, which is not "not both are"', () => {
    expect(loads(compile([tcp.sport.neq(1), tcp.dport.neq(2)]))).toEqual([
      [0, 2],
      [2, 2]
    ])
  })

  it('leaves tests of single flags alone', () => {
    expect(loads(compile([tcp.flags.anyOf('syn'), tcp.window.eq(5)]))).toEqual([
      [13, 1],
      [14, 2]
    ])
  })

  it('reads a field only behind the condition that makes it one', () => {
    const compiled = compile([ip.protocol.eq('tcp'), tcp.dport.eq(80), ip.ttl.eq(5)])
    expect(loads(compiled)).toEqual([
      [8, 2],
      [2, 2]
    ])
  })
})

describe('protocols', () => {
  const contradictions: readonly (readonly [string, Family, readonly RuleStatement[], string])[] = [
    ['tcp after udp', 'inet', [udp.dport.eq(53), tcp.dport.eq(53)], 'statements[1].'],
    ['ip6 after ip', 'inet', [ip.saddr.eq('1.2.3.4'), ip6.saddr.eq('::1')], 'statements[1].'],
    ['ip6 in a table of ip', 'ip', [ip6.saddr.eq('::1')], 'statements[0].'],
    ['ip in a table of arp', 'arp', [ip.saddr.eq('1.2.3.4')], 'statements[0].'],
    ['tcp after ip protocol udp', 'ip', [ip.protocol.eq('udp'), tcp.dport.eq(1)], 'statements[1].'],
    ['two headers in one key', 'inet', [concat(tcp.dport, udp.dport).in('s')], 'statements[0].'],
    ['a reset for udp', 'inet', [udp.dport.eq(1), reject('tcp-reset')], 'statements[1].'],
    ['icmp for ip6', 'inet', [ip6.saddr.eq('::1'), reject({ icmp: 'host-unreachable' })], 'statements[1].'],
    ['icmpx in a table of ip', 'ip', [reject({ icmpx: 'no-route' })], 'statements[0].'],
    ['reject in a table of arp', 'arp', [reject()], 'statements[0].']
  ]

  it.each(contradictions)('%s is refused', (_, family, statements, path) => {
    const attempt = (): unknown => compile(statements, family)
    expect(attempt).toThrow(ValidationError)
    expect(attempt).toThrow(expect.objectContaining({ path: expect.stringContaining(path) as string }) as Error)
  })

  it('are asked once', () => {
    expect(
      kinds(compile([ip.saddr.eq('1.2.3.4'), ip.daddr.eq('1.2.3.5'), ip.saddr.neq('9.9.9.9')])).filter((kind) => kind === 'meta')
    ).toHaveLength(1)
  })

  it('are not learnt from what a packet is not', () => {
    expect(kinds(compile([meta.l4proto.neq('tcp'), tcp.dport.eq(80)])).filter((kind) => kind === 'meta')).toHaveLength(2)
  })

  it('of a rejection are asked before anything happens', () => {
    expect(kinds(compile([counter(), reject('tcp-reset')]))).toEqual(['meta', 'cmp', 'counter', 'reject'])
  })

  it('that are unknown to us are no obstacle', () => {
    expect(() => compile([meta.l4proto.eq(47), th.dport.eq(1)])).not.toThrow()
    expect(() => compile([meta.l4proto.eq(47), tcp.dport.eq(1)])).toThrow(ValidationError)
    expect(() => compile([ether.type.eq(0x88cc), ip.saddr.eq('1.2.3.4')])).toThrow(ValidationError)
  })
})

describe('registers', () => {
  it('have the numbers that the kernel lists', () => {
    const compiled = compile([concat(ip.daddr, meta.l4proto, th.dport, numgen.random(3)).in('s')], 'ip')
    const registers = compiled.expressions.map((expression) =>
      'destinationRegister' in expression ? expression.destinationRegister : undefined
    )
    expect(registers).toEqual([1, 9, 10, 11, undefined])
  })

  it('hold keys and data of IPv6 side by side', () => {
    const compiled = compile([updateElement('s', concat(ip6.saddr, ct.original.ip6.daddr), { data: concat(ip6.daddr, tcp.dport) })], 'ip6')
    const dynset = only(compiled, 'dynset')
    expect([dynset.keyRegister, dynset.dataRegister]).toEqual([1, 3])
    expect(compiled.expressions.flatMap((expression) => (expression.type === 'payload' ? [expression.destinationRegister] : []))).toEqual([
      1, 3, 4
    ])
  })

  it('do not last for ever', () => {
    const all = concat(ip6.saddr, ip6.daddr, ct.original.ip6.saddr, ct.original.ip6.daddr)
    expect(() => compile([all.in('s')])).not.toThrow()
    expect(() => compile([concat(ip6.saddr, ip6.daddr, ct.original.ip6.saddr, ct.original.ip6.daddr, tcp.dport).in('s')])).toThrow(
      'at most 64 bytes'
    )
  })

  it('are free again for the next statement', () => {
    const compiled = compile([concat(ip.saddr, ip.daddr).in('s'), meta.mark.eq(1)], 'ip')
    expect(compiled.expressions.at(-2)).toMatchObject({ type: 'meta', destinationRegister: 1 })
  })
})

describe('sets of the rule itself', () => {
  it('are declared with what they hold, each with an id of its own', () => {
    const { anonymousSets, expressions } = compile([
      tcp.dport.in([80, 443]),
      ip.saddr.vmap([
        ['10.0.0.0/8', jump('web')],
        ['*', drop()]
      ])
    ])
    expect(anonymousSets.map(({ set }) => [set.name, set.id, set.flags, set.key, set.data])).toEqual([
      ['__set%d', 1, ['anonymous', 'constant'], 'inet_service', undefined],
      ['__map%d', 2, ['anonymous', 'constant', 'interval'], 'ipv4_addr', 'verdict']
    ])
    const lookups = expressions.filter((expression) => expression.type === 'lookup')
    expect(lookups.map(({ set, setId }) => [set, setId])).toEqual([
      ['__set%d', 1],
      ['__map%d', 2]
    ])
  })

  const bad: readonly (readonly [string, RuleStatement, string])[] = [
    ['nothing in it', tcp.dport.in([]), 'elements'],
    ['one value twice', tcp.dport.in([80, 81, 80]), 'elements'],
    [
      'ranges that overlap',
      tcp.dport.in([
        { from: 80, to: 90 },
        { from: 85, to: 95 }
      ]),
      'elements'
    ],
    ['a value that does not fit', tcp.dport.in([80, 65_536]), 'elements[1].key'],
    ['a key of too few fields', concat(ip.saddr, tcp.dport).in([['10.0.0.1']]), 'elements[0].key'],
    ['a verdict without a chain', ip.saddr.vmap([['10.0.0.1', { kind: 'verdict', verdict: 'jump' }]]), 'elements[0].chain'],
    ['a code point that does not fit its six bits', ip.dscp.in([1, 64]), 'elements[1].key']
  ]

  it.each(bad)('with %s are refused', (_, statement, path) => {
    const attempt = (): unknown => compile([accept(), statement])
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_NETPLANE_VALIDATION', path: `statements[1].${path}` }) as Error)
  })

  it('of one value are that value', () => {
    expect(compile([tcp.dport.in([80])])).toEqual(compile([tcp.dport.eq(80)]))
    expect(compile([tcp.dport.notIn([{ from: 80, to: 90 }])])).toEqual(compile([tcp.dport.neq({ from: 80, to: 90 })]))
  })
})

it('names the flowtable that connections are handed over to', () => {
  expect(compile([flowAdd('fast')]).expressions).toEqual([{ type: 'flow_offload', flowtable: 'fast' }])
  expect(() => flowAdd('')).toThrow(expect.objectContaining({ name: 'ValidationError', path: 'flowtable' }) as Error)
})

describe('values that do not fit', () => {
  const bad: readonly (readonly [string, RuleStatement])[] = [
    ['an address of the other family', ip.saddr.eq('fd00::1')],
    ['a prefix with bits beyond its length', ip.saddr.eq('10.0.0.1/8')],
    ['a prefix that is too long', ip.saddr.eq('10.0.0.0/33')],
    ['an order of prefixes', ip.saddr.lt('10.0.0.0/8')],
    ['a range that ends before it begins', tcp.dport.eq({ from: 90, to: 80 })],
    ['a port beyond 65535', tcp.dport.eq(65_536)],
    ['a wildcard with nothing before it', meta.iifname.eq('*')],
    ['a name of 16 bytes', meta.iifname.eq('a'.repeat(16))],
    ['an unknown state', ct.state.anyOf('old' as 'new')],
    ['several ports at once', tcp.dport.eq([80, 81] as unknown as number)],
    ['a flow label of 21 bits', ip6.flowlabel.eq(0x10_0000)],
    ['a mark from a port', meta.mark.set(tcp.dport)],
    ['a mark from an address', meta.mark.set(ip.saddr)]
  ]

  it.each(bad)('%s', (_, statement) => {
    expect(() => compile([statement])).toThrow(ValidationError)
    expect(() => compile([statement])).toThrow(/^statements\[0\]\.value/)
  })

  it('of a few bits are not looked up where keys lie otherwise', () => {
    expect(() => compile([ip.dscp.in('named')])).toThrow('a field of whole bytes')
    expect(() => compile([concat(ip6.saddr, ip6.dscp).in([['fd00::1', 1]])])).toThrow('in a concatenation')
    expect(() => compile([concat(ip.saddr, ip.dscp).vmap('named')])).toThrow('a field of whole bytes')
  })

  const refusedAtOnce: readonly (readonly [string, () => unknown])[] = [
    ['a modulus of 0', () => numgen.random(0)],
    ['an offset below 0', () => numgen.inc(2, { offset: -1 })],
    ['a seed of 33 bits', () => jhash(ip.saddr, 2, { seed: 2 ** 32 })],
    ['a mask that is no number', () => meta.mark.and('x' as never)],
    ['a chain without a name', () => jump('')],
    ['a chain with a NUL', () => goto('a\0b')],
    ['a name of 256 bytes', () => jump('é'.repeat(128))],
    ['a rate of 0', () => limit({ rate: 0 })],
    ['an unknown unit', () => limit({ rate: 1, per: 'month' as 'week' })],
    ['a quota below 0', () => quota(-1)],
    ['a user that nobody knows', () => compile([meta.skuid.eq('no such user')])],
    ['a time of day beyond midnight', () => compile([meta.hour.eq('24:00')])],
    ['a moment in no time zone', () => compile([meta.time.eq('2026-01-02 10:00:00')])],
    ['an identifier of messages that have none', () => compile([icmp.type.eq('redirect'), icmp.id.eq(5)])],
    ['a kind of object that rules do not use', () => useObject('tunnel' as never, 'x')],
    ['a quotation mark in the prefix for the log', () => log({ prefix: 'a"b' })],
    ['a prefix of 128 bytes for the log', () => log({ prefix: 'x'.repeat(128) })],
    ['a level beside a group', () => log({ group: 1, level: 'info' })],
    ['a length of packets without a group', () => log({ snapLength: 10 })],
    ['an unknown code', () => reject({ icmp: 'nobody-home' })],
    ['two codes', () => reject({ icmp: 1, icmpv6: 1 })],
    ['a port range that ends before it begins', () => redirect({ port: { from: 2, to: 1 } })],
    ['a flag that is none', () => masquerade({ flags: ['netmap' as 'random'] })],
    ['an address that is none', () => dnat('10.0.0.256')],
    ['a range of both families', () => dnat({ from: '10.0.0.1', to: 'fd00::1' })],
    ['a data type that is none', () => ip.saddr.map('m', 'ipv5_addr' as never)],
    ['a constant that does not fit', () => constant('inet_service', 70_000)],
    ['a time-out of 0', () => addElement('s', ip.saddr, { timeoutMs: 0 })],
    ['an element that would log', () => addElement('s', ip.saddr, { statements: [log()] })]
  ]

  it.each(refusedAtOnce)('%s', (_, attempt) => {
    expect(attempt).toThrow(ValidationError)
  })
})

describe('address translation', () => {
  it('knows its family from the address, or from the table', () => {
    expect(only(compile([dnat('10.0.0.1')]), 'nat').family).toBe('ip')
    expect(only(compile([snat('fd00::1')]), 'nat').family).toBe('ip6')
    expect(() => compile([dnat('10.0.0.1')], 'ip6')).toThrow(ValidationError)
  })

  it('takes addresses, not other values', () => {
    expect(() => compile([dnat(ip.saddr.map('m', 'mark'))])).toThrow(ValidationError)
    expect(() => compile([dnat(ip.saddr.map('m', ['ipv4_addr', 'mark']))])).toThrow(ValidationError)
    expect(() => compile([dnat(ip.saddr.map('m', ['ipv4_addr', 'inet_service']), { port: 80 })])).toThrow('no port beside')
  })

  it('finds the port behind the address', () => {
    expect(only(compile([dnat(ip6.daddr.map('m', ['ipv6_addr', 'inet_service']))]), 'nat')).toMatchObject({
      addressMinRegister: 1,
      protoMinRegister: 2
    })
    expect(only(compile([dnat(ip.daddr.map('m', ['ipv4_addr', 'inet_service']))]), 'nat')).toMatchObject({
      addressMinRegister: 1,
      protoMinRegister: 9
    })
  })
})

describe('a rule', () => {
  it('is data: compiling it twice gives the same', () => {
    const { statements } = rule(ip.daddr.in(['10.0.0.1', '10.0.0.2']), tcp.dport.eq(443), counter(), dnat('10.0.0.9', { port: 8443 }))
    expect(compile(statements)).toEqual(compile(statements))
    expect(structuredClone(statements)).toEqual(statements)
  })

  it('may ask for routes by one address only', () => {
    expect(only(compile([fib('iif', 'saddr').missing()]), 'fib').flags).toEqual(['saddr', 'iif', 'present'])
  })

  it('looks values up among ranges where the flags of a set say so, as words or as a number', () => {
    const lookup = (flags: readonly SetFlag[]): string[] => kinds(compile([meta.mark.in({ name: 'marks', flags })]))
    expect(lookup(['interval'])).toEqual(['meta', 'byteorder', 'lookup'])
    expect(lookup([4])).toEqual(lookup(['interval']))
    expect(lookup([0x80])).toEqual(['meta', 'lookup'])
  })

  it('combines bit operations into one', () => {
    const compiled = compile([meta.mark.set(meta.mark.and(0xff00).or(0x0f).xor(0x01))])
    expect(kinds(compiled)).toEqual(['meta', 'bitwise', 'meta'])
    const { mask, xor } = only(compiled, 'bitwise')
    expect([new Uint32Array(Uint8Array.from(mask!).buffer)[0], new Uint32Array(Uint8Array.from(xor!).buffer)[0]]).toEqual([0xff00, 0x0e])
  })

  it('has ICMP types by name', () => {
    expect(only(compile([icmp.type.eq('echo-request')], 'ip'), 'payload')).toMatchObject({ base: 'transport', offset: 0, length: 1 })
  })
})
