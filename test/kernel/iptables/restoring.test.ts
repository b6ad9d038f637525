import { describe, expect, it } from 'vitest'
import type { NetlinkError } from '../../../src/core/errors.js'
import { Iptables } from '../../../src/iptables/client.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import { printRule } from '../../../src/iptables/text/print.js'
import { iptablesNft, restoreByIptables, savedLines, savedRules } from '../../support/iptables.js'
import { makeNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

const FILTER = { family: 'ip', table: 'filter' } as const
const INPUT = { ...FILTER, chain: 'INPUT' } as const

describe('rules', () => {
  it.each<[what: string, line: string]>([
    ['a list of addresses without a mask, as kube-proxy has it', '-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --rsource'],
    ['a burst that the kernel takes for its default', '-m limit --limit 5/sec --limit-burst 0'],
    ['a range that holds no address', '-m iprange --src-range 10.0.0.9-10.0.0.1 -j DROP']
  ])('are found by what is printed of a rule that iptables wrote: %s', async (_, line) => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-A', 'INPUT', ...line.split(' '))
    await using iptables = await Iptables.open({ netns: namespace.path })
    const [saved] = await savedRules(namespace, 'ip')
    const [listed] = (await iptables.list(INPUT)).tables[0]!.chains[0]!.rules
    expect(printRule(listed!, FILTER)).toBe(saved)
    for (const rule of [listed!, parseRule(saved!, FILTER), parseRule(line, FILTER)]) expect(await iptables.check(INPUT, rule)).toBe(true)
    const tx = iptables.transaction()
    tx.append(INPUT, parseRule(line, FILTER))
    tx.delete(INPUT, parseRule(saved!, FILTER))
    await tx.commit()
    expect(await savedRules(namespace, 'ip')).toEqual([saved])
  })
})

describe('a file', () => {
  const FILE = '*filter\n:INPUT DROP [5:6]\n:OUTPUT - [0:0]\n:X - [0:0]\n-A X -s 10.0.0.1\n:X - [0:0]\n-A X -s 10.0.0.2\nCOMMIT\n'

  it.each([{}, { noflush: true }])(
    'is restored as iptables-restore restores it: %s',
    async ({ noflush: isKept = false }: { noflush?: boolean }) => {
      const [ours, theirs] = [await makeNamespace(), await makeNamespace()]
      for (const each of [ours, theirs])
        await restoreByIptables(
          each,
          'ip',
          '*filter\n:INPUT DROP [1:2]\n:FORWARD DROP [3:4]\n:OUTPUT DROP [0:0]\n:X - [0:0]\n-A FORWARD -j X\n-A X\nCOMMIT\n',
          '--counters'
        )
      await restoreByIptables(theirs, 'ip', FILE, ...(isKept ? ['--noflush'] : []))
      await using iptables = await Iptables.open({ netns: ours.path })
      const tx = iptables.transaction()
      tx.restore('ip', FILE, { flush: !isKept })
      await tx.commit()
      expect(await savedLines(ours, 'ip', true)).toEqual(await savedLines(theirs, 'ip', true))
    }
  )

  it('may remove all chains of the user', async () => {
    const namespace = await makeNamespace()
    for (const chain of ['a', 'b']) await iptablesNft(namespace, 'ip', '-N', chain)
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.restore('ip', '*filter\n-A INPUT -j a\n-F\n-X\n-N c\nCOMMIT\n', { flush: false })
    await tx.commit()
    expect((await savedLines(namespace, 'ip')).filter((line) => line.endsWith(' - [0:0]'))).toEqual([':c - [0:0]'])
    await iptablesNft(namespace, 'ip', '-A', 'INPUT', '-j', 'c')
    const last = iptables.transaction()
    last.restore('ip', '*filter\n-X\nCOMMIT\n', { flush: false })
    expect(await rejection(last.commit())).toMatchObject({ code: 'EBUSY', index: 0 })
  })
})

describe('refusals', () => {
  it('of the verdict QUEUE name the target that does the same', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.append(INPUT, { target: 'QUEUE' })
    // Older kernels take it.
    const hint = await tx.commit().then(
      () => 'NFQUEUE',
      (error: unknown) => (error as NetlinkError).hint
    )
    expect(hint).toContain('NFQUEUE')
  })

  it('of a target that names what is not there say so', async () => {
    const namespace = await makeNamespace()
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    const output = { family: 'ip', table: 'raw', chain: 'OUTPUT' } as const
    tx.append(output, parseRule('-p tcp -j CT --helper absent', output))
    const error = await rejection<NetlinkError>(tx.commit())
    expect(error.hint).toContain('no target CT of revision 2 (modprobe xt_CT), or not the helper or the timeout policy that it names')
  })
})

describe('a chain that is renamed', () => {
  it('may get its name back by the same transaction', async () => {
    const namespace = await makeNamespace()
    await iptablesNft(namespace, 'ip', '-N', 'a')
    await using iptables = await Iptables.open({ netns: namespace.path })
    const tx = iptables.transaction()
    tx.append(INPUT, { target: { jump: 'a' } })
    tx.renameChain({ ...FILTER, chain: 'a' }, 'b')
    tx.renameChain({ ...FILTER, chain: 'b' }, 'a')
    tx.append({ ...FILTER, chain: 'a' }, { target: 'RETURN' })
    await tx.commit()
    expect(await savedRules(namespace, 'ip')).toEqual(['-A INPUT -j a', '-A a -j RETURN'])
  })
})
