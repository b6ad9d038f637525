import { describe, expect, it } from 'vitest'
import { NetlinkError, ValidationError } from '../../../src/core/errors.js'
import { Iptables } from '../../../src/iptables/client.js'
import type { IptablesRule } from '../../../src/iptables/rule/model.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import { printRule } from '../../../src/iptables/text/print.js'
import type { IptablesFamily } from '../../../src/iptables/types.js'
import { asSaved, deleteEachOthers, iptablesNft, restoreByIptables, ruleSteps, savedLines, savedRules } from '../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

const FILTER = { family: 'ip', table: 'filter' } as const
const INPUT = { ...FILTER, chain: 'INPUT' } as const

function rule(text: string, family: IptablesFamily = 'ip'): IptablesRule {
  return parseRule(text, { family })
}

function comment(text: string): IptablesRule {
  return { matches: [{ match: 'comment', comment: text }] }
}

/** The comments of the rules of a chain, in their order. */
async function comments(iptables: Iptables, chain = 'INPUT'): Promise<string[]> {
  const { tables } = await iptables.list({ ...FILTER, chain })
  return tables.flatMap(({ chains }) =>
    chains.flatMap(({ rules }) =>
      rules.map(({ matches = [] }) => (matches[0] !== undefined && 'comment' in matches[0] ? matches[0].comment : ''))
    )
  )
}

describe('rules that are written', () => {
  it.each([
    [
      'ip',
      [
        '-s 10.0.0.0/8 -d 1.2.3.4/32 -i eth0 -p tcp -j ACCEPT',
        '! -s 10.0.0.0/13 -d 10.0.0.0/255.0.255.0 ! -i eth+ ! -p udp -j DROP',
        '-s 128.0.0.0/1 -p 253 -j RETURN',
        '-f',
        '! -f -j ACCEPT',
        '! -i + -j ACCEPT',
        '-m comment --comment "a \\"b\\"" -j MARK --set-xmark 0x5/0xff',
        '-p gre -j user',
        '-g user'
      ]
    ],
    [
      'ip6',
      ['-s fd00::/16 ! -d fd00::1/128 -p ipv6-icmp -j ACCEPT', '-s fd00::1/ffff::ffff -o lo -j DROP', '! -s ::/1 -m comment --comment x']
    ]
  ] as const)(
    'are printed by iptables-nft-save of %s as they were meant, and are those that iptables-nft writes',
    async (family, lines) => {
      const namespace = await makeNamespace()
      await using iptables = await Iptables.open({ netns: namespace.path })
      const tx = iptables.transaction()
      tx.newChain({ family, table: 'filter', chain: 'user' })
      for (const line of lines) tx.append({ family, table: 'filter', chain: 'FORWARD' }, rule(line, family))
      const report = await tx.commit()
      expect((await iptables.generation()).id).toBe(report.generation)
      const written = lines.map((line) => `-A FORWARD ${line}`)
      expect(await savedRules(namespace, family)).toEqual(written.map(asSaved))
      const other = await makeNamespace()
      await restoreByIptables(other, family, ['*filter', ':user - [0:0]', ...written, 'COMMIT', ''].join('\n'))
      const place = ['chain', family, 'filter', 'FORWARD']
      expect(await ruleSteps(namespace, ...place)).toEqual(await ruleSteps(other, ...place))
      expect(await savedRules(other, family)).toEqual(await savedRules(namespace, family))

      // Each finds the rules of the other by what they say.
      await using theirs = await Iptables.open({ netns: other.path })
      await deleteEachOthers(family, ['*filter', ...written, 'COMMIT'], namespace, theirs)
      for (const each of [namespace, other]) expect(await savedRules(each, family)).toEqual([])
    }
  )

  it('make tables and base chains of both families as iptables-nft makes them, by one commit', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    const bases = {
      raw: ['PREROUTING', 'OUTPUT'],
      mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
      nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
      filter: ['INPUT', 'FORWARD', 'OUTPUT'],
      security: ['INPUT', 'FORWARD', 'OUTPUT']
    } as const
    for (const family of ['ip', 'ip6'] as const)
      for (const [table, chains] of Object.entries(bases))
        for (const chain of chains) tx.append({ family, table: table as keyof typeof bases, chain }, { protocol: 6 })
    const before = (await iptables.generation()).id
    expect((await tx.commit()).generation).toBe(before + 1)
    const other = await makeNamespace()
    for (const family of ['ip', 'ip6'] as const)
      for (const [table, chains] of Object.entries(bases))
        for (const chain of chains) await iptablesNft(other, family, '-t', table, '-A', chain, '-p', '6')
    const chainsOf = async ({ nft }: Pick<TestNamespace, 'nft'>): Promise<string[]> =>
      [...(await nft('list', 'chains')).matchAll(/chain \S+ \{\s+type.*/g)].map(([text]) => text).sort()
    expect(await chainsOf(namespace)).toEqual(await chainsOf(other))
    expect((await iptables.list()).tables.filter(({ incompatible }) => incompatible !== undefined)).toEqual([])
  })

  it('keep counters that are given', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.append(INPUT, { counters: { packets: 5n, bytes: 2n ** 63n } })
    tx.policy(INPUT, 'DROP', { packets: 7n, bytes: 8n })
    await tx.commit()
    const saved = await savedLines(namespace, 'ip', true)
    expect(saved).toContain('[5:9223372036854775808] -A INPUT')
    expect(saved).toContain(':INPUT DROP [7:8]')
    const zero = iptables.transaction()
    zero.zero(INPUT)
    await zero.commit()
    expect(await savedLines(namespace, 'ip', true)).toEqual(expect.arrayContaining(['[0:0] -A INPUT', ':INPUT DROP [0:0]']))
  })
})

describe('positions', () => {
  it('count as each operation before left the chain', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const first = iptables.transaction()
    for (const text of ['a', 'b', 'c']) first.append(INPUT, comment(text))
    first.insert(INPUT, comment('0'))
    first.insert(INPUT, comment('x'), 5)
    first.insert(INPUT, comment('b2'), 4)
    await first.commit()
    expect(await comments(iptables)).toEqual(['0', 'a', 'b', 'b2', 'c', 'x'])
    const handles = (await iptables.list(INPUT)).tables[0]!.chains[0]!.rules.map(({ handle }) => handle)
    const second = iptables.transaction()
    second.insert(INPUT, comment('1'), 2)
    second.insert(INPUT, comment('2'), 3)
    second.append(INPUT, comment('y'))
    second.delete(INPUT, comment('b'))
    second.delete(INPUT, 1)
    second.replace(INPUT, 4, comment('B2'))
    second.insert(INPUT, comment('z'), 5)
    second.replace(INPUT, 5, comment('Z'))
    await second.commit()
    expect(await comments(iptables)).toEqual(['1', '2', 'a', 'B2', 'Z', 'c', 'x', 'y'])
    const after = (await iptables.list(INPUT)).tables[0]!.chains[0]!.rules.map(({ handle }) => handle)
    expect([after[2], after[3], after[5], after[6]]).toEqual([handles[1], handles[3], handles[4], handles[5]])
  })

  it('count rules that iptables does not know, which stay as they are', async () => {
    const namespace = await makeNamespace()
    await namespace.nft('add table ip filter; add chain ip filter INPUT { type filter hook input priority 0; }')
    await namespace.nft('add rule ip filter INPUT ct state new meta mark set 5')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.insert(INPUT, comment('before'))
    tx.insert(INPUT, comment('after'), 3)
    tx.zero(INPUT)
    await tx.commit()
    const { rules } = (await iptables.list(INPUT)).tables[0]!.chains[0]!
    expect(rules.map(({ foreign }) => foreign)).toEqual([undefined, 'the expression ct', undefined])
    expect(await namespace.nft('list', 'chain', 'ip', 'filter', 'INPUT')).toContain('ct state new meta mark set 0x00000005')
    const removal = iptables.transaction()
    removal.delete(INPUT, 2)
    await removal.commit()
    expect(await comments(iptables)).toEqual(['before', 'after'])
  })

  it('are all that tells rules that iptables does not know: as objects these are refused', async () => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-A', 'INPUT')
    await namespace.nft('add rule ip filter INPUT ct state new drop')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const before = await namespace.nft('list', 'ruleset')
    const [, foreign] = (await iptables.list(INPUT)).tables[0]!.chains[0]!.rules
    const tx = iptables.transaction()
    for (const attempt of [
      () => tx.append(INPUT, foreign!),
      () => tx.insert(INPUT, foreign!),
      () => tx.replace(INPUT, 1, foreign!),
      () => tx.delete(INPUT, foreign!),
      () => printRule(foreign!, FILTER)
    ])
      expect(attempt).toThrow(/foreign is "the expression ct"/)
    expect(await rejection(iptables.check(INPUT, foreign!))).toBeInstanceOf(ValidationError)
    await tx.commit()
    expect(await namespace.nft('list', 'ruleset')).toBe(before)
  })

  it('are zeroed where something was counted: a rule with a set of its own stays', async () => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-A', 'INPUT', '-c', '5', '6')
    await namespace.nft('add rule ip filter INPUT tcp dport { 80, 81 } counter accept')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.zero(FILTER)
    // Newer versions of iptables make chains that count, which are zeroed, too.
    expect((await tx.commit()).operations).toBeLessThanOrEqual(2)
    const listed = (await iptables.list(INPUT)).tables[0]!.chains[0]!.rules
    expect(listed.map(({ counters }) => counters?.packets)).toEqual([0n, 0n])
    expect(await namespace.nft('list', 'chain', 'ip', 'filter', 'INPUT')).toContain('tcp dport { 80, 81 } counter packets 0 bytes 0 accept')
  })

  it('take the first of two rules that are alike, and tell whether there is one', async () => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-A', 'INPUT', '-s', '10.1.2.3/8', '-p', 'tcp', '-j', 'ACCEPT')
    await iptablesNft(namespace, 'ip', '-A', 'INPUT')
    await iptablesNft(namespace, 'ip', '-A', 'INPUT', '-s', '10.0.0.0/8', '-p', 'tcp', '-j', 'ACCEPT')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const like: IptablesRule = { source: '10.9.9.9/255.0.0.0', protocol: 6, target: 'ACCEPT', counters: { packets: 9n, bytes: 9n } }
    expect(await iptables.check(INPUT, like)).toBe(true)
    expect(await iptables.check(INPUT, { ...like, target: 'DROP' })).toBe(false)
    expect(await iptables.check({ ...FILTER, chain: 'OUTPUT' }, like)).toBe(false)
    expect(await rejection(iptables.check({ ...FILTER, chain: 'absent' }, like))).toMatchObject({ code: 'ENOENT' })
    const tx = iptables.transaction()
    tx.delete(INPUT, like)
    await tx.commit()
    expect((await savedLines(namespace, 'ip')).filter((line) => line.startsWith('-A'))).toEqual([
      '-A INPUT',
      '-A INPUT -s 10.0.0.0/8 -p tcp -j ACCEPT'
    ])
  })
})

describe('chains of the user', () => {
  it('are made, renamed, emptied and removed', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const first = iptables.transaction()
    first.newChain({ ...FILTER, chain: 'a' })
    first.newChain({ ...FILTER, chain: 'b' })
    first.append({ ...FILTER, chain: 'a' }, { target: { jump: 'b' } })
    first.append(INPUT, { target: { goto: 'a' } })
    await first.commit()
    const second = iptables.transaction()
    second.append(INPUT, { target: { jump: 'a' } })
    second.renameChain({ ...FILTER, chain: 'a' }, 'c')
    second.append({ ...FILTER, chain: 'c' }, { target: 'RETURN' })
    second.append(INPUT, { target: { jump: 'c' } })
    await second.commit()
    expect(await savedLines(namespace, 'ip')).toEqual([
      '*filter',
      ':INPUT ACCEPT [0:0]',
      ':FORWARD ACCEPT [0:0]',
      ':OUTPUT ACCEPT [0:0]',
      ':b - [0:0]',
      ':c - [0:0]',
      '-A INPUT -g c',
      '-A INPUT -j c',
      '-A INPUT -j c',
      '-A c -j b',
      '-A c -j RETURN',
      'COMMIT'
    ])
    const third = iptables.transaction()
    third.flush(FILTER)
    third.deleteChain({ ...FILTER, chain: 'b' })
    third.deleteChain({ ...FILTER, chain: 'c' })
    third.newChain({ ...FILTER, chain: 'c' })
    await third.commit()
    expect((await savedLines(namespace, 'ip')).filter((line) => line.startsWith(':') || line.startsWith('-'))).toEqual([
      ':INPUT ACCEPT [0:0]',
      ':FORWARD ACCEPT [0:0]',
      ':OUTPUT ACCEPT [0:0]',
      ':c - [0:0]'
    ])
  })

  it.each<[string, string, (tx: ReturnType<Iptables['transaction']>) => void]>([
    ['ENOENT', 'there is no chain ip filter absent', (tx) => tx.append({ ...FILTER, chain: 'absent' }, {})],
    ['ENOENT', 'absent: there is no chain', (tx) => tx.append(INPUT, { target: { jump: 'absent' } })],
    ['EOPNOTSUPP', 'no rule may go on in a base chain', (tx) => tx.append(INPUT, { target: { jump: 'OUTPUT' } })],
    ['EEXIST', 'there is chain ip filter a already', (tx) => tx.newChain({ ...FILTER, chain: 'a' })],
    ['EBUSY', 'it has 1 rules', (tx) => tx.deleteChain({ ...FILTER, chain: 'a' })],
    ['EBUSY', 'goes on in it', (tx) => tx.deleteChain({ ...FILTER, chain: 'b' })],
    ['ENOENT', 'there is no chain', (tx) => tx.deleteChain({ ...FILTER, chain: 'absent' })],
    ['ENOENT', 'there is no chain', (tx) => tx.renameChain({ ...FILTER, chain: 'absent' }, 'x')],
    ['EEXIST', 'already', (tx) => tx.renameChain({ ...FILTER, chain: 'a' }, 'b')],
    ['ENOENT', 'has 1 rules', (tx) => tx.insert({ ...FILTER, chain: 'a' }, {}, 3)],
    ['ENOENT', 'has 1 rules', (tx) => tx.delete({ ...FILTER, chain: 'a' }, 2)],
    ['ENOENT', 'has 1 rules', (tx) => tx.replace({ ...FILTER, chain: 'a' }, 2, {})],
    ['ENOENT', 'no such rule', (tx) => tx.delete({ ...FILTER, chain: 'a' }, { protocol: 'udp' })],
    ['ENOENT', 'there is no chain', (tx) => tx.flush({ ...FILTER, chain: 'absent' })],
    [
      'EBUSY',
      'has this name until the transaction is committed',
      (tx) =>
        tx.repeat(1, {}, (row) => {
          row.renameChain({ ...FILTER, chain: 'a' }, 'c')
          row.renameChain({ ...FILTER, chain: 'b' }, 'a')
        })
    ]
  ])('are refused with %s: %s', async (code, hint, queue) => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-N', 'a')
    await iptablesNft(namespace, 'ip', '-N', 'b')
    await iptablesNft(namespace, 'ip', '-A', 'a', '-j', 'b')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const before = await savedLines(namespace, 'ip')
    const tx = iptables.transaction()
    tx.append(INPUT, comment('first'))
    queue(tx)
    const error = await rejection<NetlinkError>(tx.commit())
    expect(error).toBeInstanceOf(NetlinkError)
    expect(error).toMatchObject({ code, operation: 'iptables.commit', index: 1 })
    expect(error.hint).toContain(hint)
    expect(await savedLines(namespace, 'ip')).toEqual(before)
  })
})

describe('refusals', () => {
  it('name the call, the match and its module', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.append(INPUT, comment('a'))
    const given: IptablesRule = { matches: [{ match: 'absent', opaque: { name: 'absent', revision: 7, info: new Uint8Array(8) } }] }
    tx.append(INPUT, given)
    const error = await rejection<NetlinkError>(tx.commit())
    expect(error).toMatchObject({ code: 'ENOENT', operation: 'iptables.commit', index: 1, object: given })
    expect(error.hint).toContain('no match absent of revision 7 (modprobe xt_absent)')
    expect((await iptables.list()).tables).toEqual([])
  })

  it('come at once where something is malformed, and nothing of it is queued', async () => {
    await using iptables = await Iptables.open()
    const tx = iptables.transaction()
    const attempts: [() => void, string][] = [
      [() => tx.append({ ...FILTER, chain: 'x'.repeat(29) }, {}), 'place.chain'],
      [() => tx.append({ ...FILTER, table: 'none' as 'nat', chain: 'x' }, {}), 'place.table'],
      [() => tx.append({ ...INPUT, family: 'inet' as 'ip' }, {}), 'place.family'],
      [() => tx.append(INPUT, { source: 'fd00::1' }), 'rule.source'],
      [() => tx.append(INPUT, { source: { not: '0.0.0.0/0' } }), 'rule.source'],
      [() => tx.append(INPUT, { protocol: { not: 0 } }), 'rule.protocol.not'],
      [() => tx.append(INPUT, { inInterface: 'abcdefghijklmnop' }), 'rule.inInterface'],
      [() => tx.append(INPUT, { outInterface: 'eth0' }), 'rule.outInterface'],
      [() => tx.append(INPUT, { chain: 'OUTPUT' }), 'rule.chain'],
      [() => tx.append(INPUT, { sauce: '10.0.0.1' } as IptablesRule), 'rule.sauce'],
      [() => tx.append(INPUT, { target: 'accept' as 'ACCEPT' }), 'rule.target'],
      [() => tx.append(INPUT, { target: { jump: '-x' } }), 'rule.target.jump'],
      [() => tx.append(INPUT, { matches: [{ match: 'nothing' } as never] }), 'rule.matches[0].match'],
      [() => tx.append(INPUT, { matches: [{ match: 'comment', comment: 'x'.repeat(256) }] }), 'rule.matches[0].comment'],
      [() => tx.append({ ...INPUT, family: 'ip6' }, { fragment: true }), 'rule.fragment'],
      [() => tx.append(INPUT, { counters: { packets: -1n, bytes: 0n } }), 'rule.counters.packets'],
      [() => tx.insert(INPUT, {}, 0), 'position'],
      [() => tx.delete(INPUT, 1.5), 'which'],
      [() => tx.newChain(INPUT), 'place.chain'],
      ...['ACCEPT', 'QUEUE', 'MARK', 'TEE'].map((chain): [() => void, string] => [() => tx.newChain({ ...FILTER, chain }), 'place.chain']),
      [() => tx.renameChain({ ...FILTER, chain: 'x' }, 'REJECT'), 'to'],
      [() => tx.restore('ip', '*filter\n:LOG - [0:0]\nCOMMIT'), 'chains[0].name'],
      ...['-N INPUT', '-X INPUT', '-E INPUT x', '-P x DROP'].map((line): [() => void, string] => [
        () => tx.restore('ip', `*filter\n${line}\nCOMMIT`),
        'commands[0].chain'
      ]),
      [() => tx.policy({ ...FILTER, chain: 'x' }, 'DROP'), 'place.chain'],
      [() => tx.policy(INPUT, 'REJECT' as 'DROP'), 'policy'],
      [() => tx.zero({ ...FILTER, position: 1 }), 'place.chain'],
      [() => tx.renameChain({ ...FILTER, chain: 'x' }, 'a b'), 'to'],
      [() => tx.restore('ip', '*filter\n-A INPUT --nonsense\nCOMMIT'), 'line 2, column 10']
    ]
    for (const [attempt, path] of attempts) {
      expect(attempt).toThrow(ValidationError)
      expect(attempt).toThrow(path)
    }
    expect(tx.size).toBe(0)
    expect((await tx.commit()).operations).toBe(0)
  })
})

describe('a commit of another process in between', () => {
  it('is noticed, and the transaction is put together anew', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    await using other = await Iptables.open({ netns: namespace.path })
    const writers = [iptables, other].map(async (client, writer) => {
      for (let turn = 0; turn < 30; turn++) {
        const tx = client.transaction()
        tx.insert(INPUT, comment(`${writer}-${turn}`), turn === 0 ? 1 : 2)
        await tx.commit()
      }
    })
    await Promise.all(writers)
    const found = await comments(iptables)
    expect(found).toHaveLength(60)
    expect(new Set(found).size).toBe(60)
  })
})
