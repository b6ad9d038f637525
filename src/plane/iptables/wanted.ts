/**
 * What services become, chain by chain.
 */
import type { IptablesRule } from '../../iptables/index.js'
import type { Slices } from '../../core/slices.js'
import { FAMILIES } from '../core/frontend.js'
import type { Service } from '../model.js'
import { frameOf } from './layout/frame.js'
import { serviceRules } from './layout/service.js'
import type { LayoutSettings, NodePlaces } from './layout/settings.js'
import type { Frame, ServiceRules } from './layout/types.js'
import { placeKey, type Place } from './rules.js'

/** What rules are made of, beside services. */
export interface Layout {
  readonly settings: LayoutSettings
  readonly node: NodePlaces
}

/** What is there for all services, of both families. */
export function framesOf({ settings, node }: Layout): readonly Frame[] {
  return FAMILIES.map((family) => frameOf(family, settings, node))
}

/** What a service is, in the families that it has anything in. */
export function rulesOf(service: Service, { settings, node }: Layout): readonly ServiceRules[] {
  return serviceRules(service, settings, node)
}

/** A chain that holds exactly these rules. */
export interface WantedChain {
  readonly place: Place
  /** Whose it is; undefined: it is for all. */
  readonly service: string | undefined
  readonly rules: readonly IptablesRule[]
}

/** A chain that holds rules of several services, and then others. */
export interface WantedShared {
  readonly place: Place
  readonly services: Map<string, readonly IptablesRule[]>
  readonly tail: readonly IptablesRule[]
}

/** Everything that is to be there, by {@link placeKey}. */
export interface Wanted {
  readonly chains: Map<string, WantedChain>
  readonly shared: Map<string, WantedShared>
  readonly jumps: Map<string, WantedChain>
}

/** What is to be there for some services. */
export async function wantedOf(services: Iterable<Service>, layout: Layout, slices: Slices): Promise<Wanted> {
  const wanted: Wanted = { chains: new Map(), shared: new Map(), jumps: new Map() }
  for (const { family, chains, shared, jumps } of framesOf(layout)) {
    for (const one of chains)
      put(wanted.chains, { place: { family, table: one.table, chain: one.chain }, service: undefined, rules: one.rules })
    for (const one of jumps)
      put(wanted.jumps, { place: { family, table: one.table, chain: one.chain }, service: undefined, rules: one.rules })
    for (const { table, chain, rules } of shared) {
      const place = { family, table, chain }
      wanted.shared.set(placeKey(place), { place, services: new Map(), tail: rules })
    }
  }
  for (const service of services) {
    for (const { family, chains, shared } of rulesOf(service, layout)) {
      for (const { table, chain, rules } of chains) put(wanted.chains, { place: { family, table, chain }, service: service.name, rules })
      for (const { table, chain, rules } of shared) wanted.shared.get(placeKey({ family, table, chain }))!.services.set(service.name, rules)
    }
    if (slices.isOver) await slices.turn()
  }
  return wanted
}

function put(into: Map<string, WantedChain>, chain: WantedChain): void {
  into.set(placeKey(chain.place), chain)
}
