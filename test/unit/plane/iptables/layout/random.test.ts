import { describe, expect, it } from 'vitest'
import { parseRule, type IptablesFamily, type IptablesRule } from '../../../../../src/iptables/index.js'
import { asRead } from '../../../../../src/iptables/rule/compare.js'
import { ruleOf } from '../../../../../src/iptables/rule/convert.js'
import { printRule } from '../../../../../src/iptables/text/print.js'
import { checkRule } from '../../../../../src/iptables/transaction/operations.js'
import { FAMILIES } from '../../../../../src/plane/core/frontend.js'
import { requireRanges } from '../../../../../src/plane/core/ranges.js'
import { isServiceChain } from '../../../../../src/plane/iptables/layout/names.js'
import { serviceRules } from '../../../../../src/plane/iptables/layout/service.js'
import type { LayoutSettings, NodePlaces } from '../../../../../src/plane/iptables/layout/settings.js'
import type { ChainRules } from '../../../../../src/plane/iptables/layout/types.js'
import type { Service } from '../../../../../src/plane/model.js'
import { Random } from '../../../../support/random.js'
import { randomService } from '../../../../support/random-services.js'
import { chainsOf, EVERYWHERE, PLAIN } from '../../../../support/iptables-layout.js'

const ranges = requireRanges('', ['10.1.0.0/22', '10.1.16.0/24', 'fd00:1::/64'])
const LOCAL: readonly LayoutSettings['localSources'][] = [
  undefined,
  { by: 'prefixes', ranges },
  { by: 'prefixes', ranges: requireRanges('', ['10.1.0.0/16']) },
  { by: 'interface', name: 'cni0', isPrefix: false },
  { by: 'interface', name: 'a-prefix-of-15b', isPrefix: true },
  { by: 'interface', name: 'cali', isPrefix: true }
]
const NODES: readonly NodePlaces[] = [EVERYWHERE, { ip: ['192.0.2.1', '127.0.0.1'], ip6: [] }, { ip: [], ip6: ['fd00:2::1', '::1'] }]

function settingsOf(random: Random): LayoutSettings {
  return {
    localSources: random.pick(LOCAL),
    masquerade: random.pick(['never', 'nonLocal', 'all']),
    masqueradeAddress: random.chance(50) ? {} : { ip: '192.0.2.1', ip6: 'fd00:2::1' },
    masqueradeMark: 2 ** random.below(32),
    ownAddresses: random.pick(['refuse', 'serve']),
    serviceRanges: random.chance(50) ? undefined : requireRanges('', ['10.96.0.0/16', 'fd00:96::/112']),
    dropInvalid: random.chance(50),
    healthCheckPorts: random.chance(50) ? [] : [{ from: 31_000, to: 31_000 + random.below(2) }],
    loopbackNodePorts: random.chance(50)
  }
}

interface Case {
  readonly services: readonly Service[]
  readonly settings: LayoutSettings
  readonly node: NodePlaces
}

function caseOf(seed: number): Case {
  const random = new Random(seed)
  const services = Array.from({ length: 1 + random.below(12) }, (_, number) => randomService(random, number))
  return { services, settings: settingsOf(random), node: random.pick(NODES) }
}

const seeds = Array.from({ length: 24 }, (_, seed) => seed)
const everyRule = (given: Case, visit: (family: IptablesFamily, chain: ChainRules, rule: IptablesRule) => void): void => {
  for (const family of FAMILIES) for (const chain of chainsOf(family, given)) for (const rule of chain.rules) visit(family, chain, rule)
}

describe('rules of any services', () => {
  it.each(seeds)('can be written, read back and printed: seed %i', (seed) => {
    everyRule(caseOf(seed), (family, { table, chain }, rule) => {
      const place = { family, table, chain }
      const { form } = checkRule(rule, place)
      const line = printRule({ ...rule, chain }, place)
      expect(printRule({ ...parseRule(line, place), chain }, place)).toBe(line)
      expect(printRule({ ...ruleOf(asRead(form, place), place), chain }, place)).toBe(line)
    })
  })

  it.each(seeds)('lead to chains that are there, and that are known again: seed %i', (seed) => {
    const given = caseOf(seed)
    for (const family of FAMILIES) {
      const chains = chainsOf(family, given)
      const keys = chains.filter(({ chain }) => chain.startsWith('KUBE-')).map(({ table, chain }) => `${table} ${chain}`)
      expect(new Set(keys).size).toBe(keys.length)
      expect(chains.filter(({ table, chain }) => chain.startsWith('KUBE-') !== isServiceChain(table, chain))).toEqual([])
      const targets = chains.flatMap(({ table, rules }) =>
        rules.flatMap(({ target }) => (typeof target === 'object' && 'jump' in target ? [`${table} ${target.jump}`] : []))
      )
      expect(targets.filter((key) => !keys.includes(key))).toEqual([])
      // No chain of a service is there in vain.
      const alone = keys.filter((key) => !targets.includes(key) && !key.endsWith(' KUBE-NETPLANE'))
      expect(alone.filter((key) => /KUBE-(SVC|SVL|EXT|EXL|FW|SEP)-/.test(key))).toEqual([])
    }
  })

  it.each(seeds)('stand once in each chain: seed %i', (seed) => {
    const given = caseOf(seed)
    for (const family of FAMILIES)
      for (const { table, chain, rules } of chainsOf(family, given)) {
        const lines = rules.map((rule) => printRule({ ...rule, chain }, { family, table }))
        expect(lines.filter((line, at) => lines.indexOf(line) !== at)).toEqual([])
      }
  })
})

it('do not depend on the order of endpoints', () => {
  for (const seed of seeds) {
    const { services, settings, node } = caseOf(seed)
    for (const service of services) {
      const turned = { ...service, endpoints: service.endpoints.toReversed() }
      expect(serviceRules(turned, settings, node)).toEqual(serviceRules(service, settings, node))
    }
  }
})

it('has two equal settings lead to equal rules, and others to others', () => {
  const { services } = caseOf(1)
  const layoutOf = (settings: LayoutSettings): unknown => chainsOf('ip', { services, settings })
  expect(layoutOf({ ...PLAIN })).toEqual(layoutOf(PLAIN))
  expect(layoutOf({ ...PLAIN, masqueradeMark: 0x8000 })).not.toEqual(layoutOf(PLAIN))
})
