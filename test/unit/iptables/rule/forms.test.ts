import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../../src/core/errors.js'
import { Slices } from '../../../../src/core/slices.js'
import { fromExpression, toExpression } from '../../../../src/iptables/rule/attributes.js'
import { formatMasked, maskLength, parseMasked, prefixMask } from '../../../../src/iptables/rule/addresses.js'
import { asRead, findAlike, RuleKeys } from '../../../../src/iptables/rule/compare.js'
import { formOf, ruleOf } from '../../../../src/iptables/rule/convert.js'
import type { RuleForm } from '../../../../src/iptables/rule/form.js'
import type { IptablesRule } from '../../../../src/iptables/rule/model.js'
import { readExpressions } from '../../../../src/iptables/rule/read.js'
import { writeForm } from '../../../../src/iptables/rule/write.js'
import { parseRule } from '../../../../src/iptables/text/line.js'
import type { Expression } from '../../../../src/nftables/expressions.js'

const context = { family: 'ip', table: 'filter' } as const

function throughExpressions(rule: IptablesRule): IptablesRule {
  const read = readExpressions(writeForm(formOf(rule, context), 'ip').expressions, 'ip')
  return ruleOf(read.form!, context)
}

describe('a rule', () => {
  it.each<IptablesRule>([
    {},
    { target: 'ACCEPT' },
    { target: 'QUEUE' },
    { target: { jump: 'x' }, counters: { packets: 1n, bytes: 2n ** 64n - 1n } },
    { target: { goto: 'x' }, fragment: true },
    { inInterface: { not: 'eth+' }, outInterface: 'lo', fragment: false },
    { source: '10.0.0.0/8', destination: { not: '1.2.3.4/32' }, protocol: { not: 'tcp' } },
    { source: '10.0.0.0/255.0.255.0', protocol: '253' },
    { matches: [{ match: 'comment', comment: '' }], target: { target: 'MARK', value: 0xffff_ffff, mask: 1 } },
    { matches: [{ match: 'odd', opaque: { name: 'odd', revision: 200, info: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) } }] }
  ])('is the same after it went through expressions: %o', (rule) => {
    expect(throughExpressions(rule)).toEqual({ matches: [], counters: { packets: 0n, bytes: 0n }, ...rule })
  })

  it('says protocol and inversion for the extensions that check them', () => {
    const compat = (rule: IptablesRule): unknown => writeForm(formOf(rule, context), 'ip').compat
    expect(compat({})).toBeUndefined()
    expect(compat({ protocol: 'udp' })).toEqual({ protocol: 17, flags: 0 })
    expect(compat({ protocol: { not: 'udp' } })).toEqual({ protocol: 17, flags: 2 })
  })

  it('counts before its target', () => {
    const { expressions } = writeForm(formOf({ target: 'DROP' }, context), 'ip')
    expect(expressions.map(({ type }) => type)).toEqual(['counter', 'immediate'])
  })

  it('asks for each of two inverted ports by itself', () => {
    const { expressions } = writeForm(formOf(parseRule('-p udp -m udp ! --sport 80 ! --dport 81', context), context), 'ip')
    expect(expressions.slice(2, -1)).toMatchObject([
      { type: 'payload', offset: 0, length: 2 },
      { type: 'cmp', op: 'neq', data: Uint8Array.of(0, 80) },
      { type: 'payload', offset: 2, length: 2 },
      { type: 'cmp', op: 'neq', data: Uint8Array.of(0, 81) }
    ])
  })

  it('asks for none of all ports by a range', () => {
    const { expressions } = writeForm(formOf(parseRule('-p tcp -m tcp ! --sport 0:65535', context), context), 'ip')
    expect(expressions.slice(2, -1)).toMatchObject([
      { type: 'payload', offset: 0, length: 2 },
      { type: 'range', op: 'neq', from: Uint8Array.of(0, 0), to: Uint8Array.of(255, 255) }
    ])
  })

  it('is copied: what the caller changes later does not matter', () => {
    const info = Uint8Array.of(1)
    const form = formOf({ matches: [{ match: 'x', opaque: { name: 'x', revision: 0, info } }] }, context)
    info[0] = 9
    expect(form.matches[0]!.info[0]).toBe(1)
  })

  it.each<[unknown, string]>([
    [{ opaque: { name: 'y', revision: 0, info: new Uint8Array(0) } }, 'matches[0].opaque.name'],
    [{ opaque: { name: 'x', revision: 256, info: new Uint8Array(0) } }, 'matches[0].opaque.revision'],
    [{ opaque: { name: 'x', revision: 0, info: [1] } }, 'matches[0].opaque.info'],
    [{ opaque: 5 }, 'matches[0].opaque'],
    [{}, 'matches[0].match']
  ])('is refused with a malformed match: %j', (given, path) => {
    const rule = { matches: [{ match: 'x', ...(given as object) }] } as unknown as IptablesRule
    expect(() => formOf(rule, context)).toThrow(ValidationError)
    expect(() => formOf(rule, context)).toThrow(`${path} is`)
  })
})

describe('expressions that iptables does not know', () => {
  const load = (key: 'iifname' | 'cpu'): Expression => ({ type: 'meta', key, destinationRegister: 1 })
  const compare = (data: Uint8Array, op: 'eq' | 'lt' = 'eq'): Expression => ({ type: 'cmp', sourceRegister: 1, op, data })
  it.each<[string, Expression[]]>([
    ['the expression ct', [{ type: 'ct', key: 'state', destinationRegister: 1 }]],
    ['the expression odd', [{ type: 'opaque', name: 'odd', data: new Uint8Array(4) }]],
    ['the expression match', [{ type: 'opaque', name: 'match', data: new Uint8Array(4) }]],
    ['meta cpu', [load('cpu'), compare(new Uint8Array(4))]],
    ['a link compared by lt', [load('iifname'), compare(new Uint8Array(4), 'lt')]],
    ['register 1, into which nothing was loaded', [compare(new Uint8Array(4))]],
    ['a log without a group', [{ type: 'log', level: 4 }]],
    ['a limit of bytes', [{ type: 'limit', rate: 1n, unitSeconds: 1n, mode: 'bytes' }]],
    ['a limit of bytes', [{ type: 'limit', rate: 0n, unitSeconds: 1n }]],
    [
      'what sets meta priority',
      [
        { type: 'immediate', destinationRegister: 1, data: new Uint8Array(4) },
        { type: 'meta', key: 'priority', sourceRegister: 1 }
      ]
    ],
    ['more than one target', [verdict('accept'), verdict('drop')]],
    ['the verdict continue', [verdict('continue')]],
    [
      'bytes of a transport header without',
      [{ type: 'payload', destinationRegister: 1, base: 'transport', offset: 0, length: 2 }, compare(new Uint8Array(2))]
    ],
    [
      'byte 1 of the network header',
      [{ type: 'payload', destinationRegister: 1, base: 'network', offset: 1, length: 1 }, compare(new Uint8Array(1))]
    ],
    ['what writes into the packet', [{ type: 'payload', sourceRegister: 1, base: 'network', offset: 1, length: 1 }]]
  ])('%s', (why, expressions) => {
    expect(readExpressions(expressions, 'ip').foreign).toContain(why)
  })

  it('registers of 4 bytes are parts of those of 16', () => {
    const expressions: Expression[] = [
      { type: 'meta', key: 'l4proto', destinationRegister: 8 },
      { type: 'cmp', sourceRegister: 1, op: 'eq', data: Uint8Array.of(6) }
    ]
    expect(readExpressions(expressions, 'ip').form?.protocol).toBe(6)
  })
})

describe('expressions that only nft writes', () => {
  it('set the mark, which is the target MARK', () => {
    const expressions: Expression[] = [
      { type: 'immediate', destinationRegister: 1, data: Buffer.from(Uint32Array.of(0x1234_5678).buffer) },
      { type: 'meta', key: 'mark', sourceRegister: 1 }
    ]
    expect(ruleOf(readExpressions(expressions, 'ip').form!, context).target).toEqual({ target: 'MARK', value: 0x1234_5678 })
  })

  it('compare both ports at once, which iptables takes for two comparisons', () => {
    const expressions: Expression[] = [
      { type: 'meta', key: 'l4proto', destinationRegister: 1 },
      { type: 'cmp', sourceRegister: 1, op: 'eq', data: Uint8Array.of(17) },
      { type: 'payload', destinationRegister: 1, base: 'transport', offset: 0, length: 4 },
      { type: 'cmp', sourceRegister: 1, op: 'neq', data: Uint8Array.of(0, 80, 0, 81) }
    ]
    expect(ruleOf(readExpressions(expressions, 'ip').form!, context).matches).toEqual([
      { match: 'udp', sourcePort: { not: 80 }, destinationPort: { not: 81 } }
    ])
  })
})

function verdict(code: 'accept' | 'drop' | 'continue'): Expression {
  return { type: 'immediate', destinationRegister: 0, data: { verdict: code } }
}

describe('an expression of xtables', () => {
  it('has its structure padded to 8 bytes, and is read again', () => {
    const expression = toExpression('match', { name: 'odd', revision: 258, info: Uint8Array.of(1, 2, 3) })
    expect(fromExpression(expression)).toEqual({ name: 'odd', revision: 258, info: Uint8Array.of(1, 2, 3, 0, 0, 0, 0, 0) })
    expect(fromExpression(toExpression('target', { name: 'E', revision: 0, info: new Uint8Array(0) }))?.info).toHaveLength(0)
  })

  it.each([0, 3, 5, 9, 12, 17])('is none where its attributes end after %i bytes', (length) => {
    const { data } = toExpression('match', { name: 'odd', revision: 1, info: Uint8Array.of(1, 2, 3) })
    expect(fromExpression({ type: 'opaque', name: 'match', data: data.subarray(0, length) })).toBeUndefined()
  })
})

describe('addresses', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3/32'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['10.1.2.3/255.255.0.0', '10.1.0.0/16'],
    ['10.1.2.3/0.0.0.255', '0.0.0.3/0.0.0.255']
  ])('%s is %s', (text, printed) => {
    expect(formatMasked(parseMasked(text, 'ip')!)).toBe(printed)
  })

  it.each(['', '10.1.2', '10.1.2.3/33', '10.1.2.3/', '10.1.2.3/08', '10.1.2.3/1/2', '10.1.2.3/x', 'fd00::1', '10.1.2.3/ffff::'])(
    '%j is none',
    (text) => {
      expect(parseMasked(text, 'ip')).toBeUndefined()
    }
  )

  it('have masks of every length', () => {
    for (let length = 0; length <= 128; length++) expect(maskLength(prefixMask(16, length))).toBe(length)
    expect(maskLength(Uint8Array.of(255, 0, 255, 0))).toBeUndefined()
  })
})

describe('rules that are alike', () => {
  const find = (wanted: RuleForm, rules: readonly (RuleKeys | undefined)[]): Promise<number> =>
    findAlike(wanted, rules, (rule) => rule, context, new Slices(1))
  const keys = (line: string): RuleKeys => new RuleKeys(asRead(formOf(parseRule(line, context), context), context), context)

  it.each([
    ['-s 10.1.1.1/8 -j ACCEPT', '-s 10.9.9.9/8 -j ACCEPT'],
    ['[5:6] -p tcp', '-p 6'],
    ['-i + -j DROP', '-j DROP'],
    ['-p udp -m udp ! --dport 0:4', '-p udp --dport 5:65535']
  ])('%s and %s', async (left, right) => {
    expect(await find(formOf(parseRule(left, context), context), [undefined, keys('-j QUEUE'), keys(right)])).toBe(2)
  })

  it.each([
    ['-j ACCEPT', '-j DROP'],
    ['-j x', '-g x'],
    ['-s 10.0.0.0/8', '-d 10.0.0.0/8'],
    ['-s 10.0.0.0/8', '! -s 10.0.0.0/8'],
    ['-m comment --comment a', '-m comment --comment b'],
    ['-m comment --comment a -m comment --comment b', '-m comment --comment b -m comment --comment a'],
    ['-j MARK --set-mark 1', '-j MARK --or-mark 1']
  ])('not %s and %s', async (left, right) => {
    expect(await find(formOf(parseRule(left, context), context), [keys(right)])).toBe(-1)
  })

  it('are those of an older revision, too', async () => {
    const old = formOf(parseRule('-m addrtype --dst-type LOCAL', context), context)
    // struct xt_addrtype_info of revision 0: two sets of types, and whether each is inverted.
    const info = new Uint8Array(12)
    new DataView(info.buffer).setUint16(2, 4, true)
    const listed = { ...old, matches: [{ name: 'addrtype', revision: 0, info }] }
    expect(await find(old, [new RuleKeys(listed, context)])).toBe(0)
  })

  it('are looked for among many while the event loop turns', async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `-s 10.0.${index >> 8}.${index & 255} -m comment --comment x -j DROP`)
    const rules = lines.map((line) => keys(line))
    let turns = 0
    const count = (): void => {
      turns++
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    expect(await find(formOf(parseRule('-s 10.9.9.9 -j DROP', context), context), rules)).toBe(-1)
    clearImmediate(counting)
    expect(turns).toBeGreaterThan(5)
  })
})
