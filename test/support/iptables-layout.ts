import type { IptablesFamily } from '../../src/iptables/index.js'
import { printRule } from '../../src/iptables/text/print.js'
import { frameOf } from '../../src/plane/iptables/layout/frame.js'
import { serviceRules } from '../../src/plane/iptables/layout/service.js'
import type { LayoutSettings, NodePlaces } from '../../src/plane/iptables/layout/settings.js'
import type { ChainRules } from '../../src/plane/iptables/layout/types.js'
import type { Service } from '../../src/plane/model.js'

/** Settings that say nothing. */
export const PLAIN: LayoutSettings = {
  localSources: undefined,
  masquerade: 'never',
  masqueradeAddress: {},
  masqueradeMark: 0x4000,
  ownAddresses: 'refuse',
  serviceRanges: undefined,
  dropInvalid: false,
  healthCheckPorts: [],
  loopbackNodePorts: false
}

/** All addresses of this node but those of loopback. */
export const EVERYWHERE: NodePlaces = { ip: 'all', ip6: 'all' }

/** What is laid out. */
export interface Layout {
  readonly services: readonly Service[]
  readonly settings?: LayoutSettings
  readonly node?: NodePlaces
}

/** All chains of a family as they come to stand: services, then what comes after them. */
export function chainsOf(family: IptablesFamily, { services, settings = PLAIN, node = EVERYWHERE }: Layout): readonly ChainRules[] {
  const parts = services.flatMap((service) => serviceRules(service, settings, node)).filter((part) => part.family === family)
  const frame = frameOf(family, settings, node)
  const added = parts.flatMap(({ shared }) => shared)
  const shared = frame.shared.map(({ table, chain, rules }) => ({
    ...{ table, chain },
    rules: [...added.filter((each) => each.table === table && each.chain === chain).flatMap((each) => each.rules), ...rules]
  }))
  const known = new Set(shared.map(({ table, chain }) => `${table} ${chain}`))
  const homeless = added.filter(({ table, chain }) => !known.has(`${table} ${chain}`))
  if (homeless.length > 0) throw new Error(`no such shared chain: ${homeless.map(({ table, chain }) => `${table} ${chain}`).join(', ')}`)
  return [...frame.jumps, ...frame.chains, ...shared, ...parts.flatMap(({ chains }) => chains)]
}

/** Rules of one chain as iptables-save prints them, after the chain. */
export function linesOf(family: IptablesFamily, { table, chain, rules }: ChainRules): string[] {
  return rules.map((rule) => printRule({ ...rule, chain }, { family, table }))
}

/** The lines of all chains of a family: `nat -A KUBE-SERVICES …`. */
export function linesIn(family: IptablesFamily, layout: Layout): string[] {
  return chainsOf(family, layout).flatMap((chain) => linesOf(family, chain).map((line) => `${chain.table} ${line}`))
}

/** Lines of services that begin so, without what they begin with. */
export function linesFrom(beginning: string, family: IptablesFamily, layout: Layout): string[] {
  return linesIn(family, layout)
    .filter((line) => line.startsWith(`${beginning} `))
    .map((line) => line.slice(beginning.length + 1))
}
