import { expect, it } from 'vitest'
import { ValidationError } from '../../../src/core/errors.js'
import { Iptables } from '../../../src/iptables/client.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import { printRule } from '../../../src/iptables/text/print.js'
import { savedLines } from '../../support/iptables.js'
import { makeNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

const script = new URL('../../support/ipset.py', import.meta.url).pathname
const INPUT = { family: 'ip', table: 'filter', chain: 'INPUT' } as const

it('rules name sets of ipset by their names, which the kernel is asked for', async () => {
  const namespace = await makeNamespace()
  for (const name of ['first', 'web']) await namespace.run('python3', [script, 'create', name])
  await using iptables = await Iptables.open({ netns: namespace.path })
  const lines = ['-m set --match-set web src', '-m set ! --match-set first dst -j SET --add-set web src --exist']
  const tx = iptables.transaction()
  for (const line of lines) tx.append(INPUT, parseRule(line, INPUT))
  await tx.commit()
  expect((await savedLines(namespace, 'ip')).filter((line) => line.startsWith('-A'))).toEqual(lines.map((line) => `-A INPUT ${line}`))
  const { rules } = (await iptables.list(INPUT)).tables[0]!.chains[0]!
  expect(rules.map((rule) => printRule({ ...rule, chain: undefined }, INPUT))).toEqual(lines)
  for (const rule of rules) expect(await iptables.check(INPUT, rule)).toBe(true)
  const restored = iptables.transaction()
  restored.restore('ip', `*filter\n:X - [0:0]\n[1:2] -A X -m set --match-set first src\nCOMMIT\n`, { counters: true, flush: false })
  restored.delete(INPUT, rules[0]!)
  await restored.commit()
  expect((await savedLines(namespace, 'ip', true)).filter((line) => line.startsWith('['))).toEqual([
    `[0:0] -A INPUT ${lines[1]!}`,
    '[1:2] -A X -m set --match-set first src'
  ])
})

it('a set that is not there is refused before anything is sent', async () => {
  const namespace = await makeNamespace()
  await using iptables = await Iptables.open({ netns: namespace.path })
  const tx = iptables.transaction()
  tx.append(INPUT, parseRule('-m set --match-set absent src', INPUT))
  const error = await rejection<ValidationError>(tx.commit())
  expect(error).toBeInstanceOf(ValidationError)
  expect(error.path).toBe('rule.matches[0].set')
  expect((await iptables.list()).tables).toEqual([])
})
