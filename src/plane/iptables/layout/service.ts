/**
 * One service as rules.
 */
import type { IptablesFamily, IptablesRule } from '../../../iptables/index.js'
import { reachOf, selectionOf } from '../../core/balance/selection.js'
import { FAMILIES, isOfFamily } from '../../core/frontend.js'
import type { ClusterFrontend, Frontend, Service } from '../../model.js'
import { choosingRules, chosenEndpoints, endpointChains, type PlacedEndpoint } from './endpoints.js'
import { externalChains, externalReaches } from './external.js'
import { addFrontends, type ServiceParts } from './frontends.js'
import { serviceChain } from './names.js'
import { sourceChains } from './restricted.js'
import type { LayoutSettings, NodePlaces } from './settings.js'
import { SharedRules } from './shared.js'
import { markingOf } from './sources.js'
import type { ChainRules, ServiceRules } from './types.js'
import { toFrontend } from './words.js'

/** Whose clients at cluster addresses come back to this node. Under policy `local` none need: endpoints of this node answer through it. */
function markingRules({ service, family, settings, reaches }: ServiceParts): readonly IptablesRule[] {
  const marking = markingOf(family, settings)
  if (marking === undefined) return []
  return [...reaches]
    .filter(([{ kind, trafficPolicy }]) => kind === 'cluster' && trafficPolicy !== 'local')
    .map(([frontend]) =>
      toFrontend(service.protocol, frontend as ClusterFrontend, `${service.name} cluster IP`, { jump: marking.chain }, marking.asked)
    )
}

/** The chains that choose an endpoint, under those policies that frontends have. */
function choosingChains(parts: ServiceParts, cluster: readonly PlacedEndpoint[], local: readonly PlacedEndpoint[]): ChainRules[] {
  const { service } = parts
  const chains: ChainRules[] = []
  if (cluster.length > 0) {
    const rules = [...markingRules(parts), ...choosingRules(service, cluster)]
    chains.push({ table: 'nat', chain: serviceChain('cluster', service), rules })
  }
  if (local.length > 0) chains.push({ table: 'nat', chain: serviceChain('local', service), rules: choosingRules(service, local) })
  return chains
}

function familyRules(
  service: Service,
  family: IptablesFamily,
  frontends: readonly Frontend[],
  settings: LayoutSettings,
  node: NodePlaces
): ServiceRules {
  const selection = selectionOf(service, family)
  const reaches = new Map(frontends.map((frontend) => [frontend, reachOf(frontend, selection)]))
  const external = externalReaches(reaches)
  const parts = { service, family, settings, node, reaches, external, sources: sourceChains(service, frontends) }
  const isReached = (policy: 'cluster' | 'local'): boolean =>
    [...reaches.values()].some(({ inside, outside }) => inside === policy || outside === policy)
  const cluster = isReached('cluster') ? chosenEndpoints(service, selection, 'cluster') : []
  const local = isReached('local') ? chosenEndpoints(service, selection, 'local') : []
  const shared = new SharedRules()
  const restricted = addFrontends(shared, parts)
  const chains = [
    ...choosingChains(parts, cluster, local),
    ...externalChains(service, family, settings, external),
    ...restricted,
    ...endpointChains(service, cluster, local)
  ]
  return { family, chains, shared: shared.list() }
}

/**
 * What an accepted service becomes, by family: one for each in which it has frontends. Equal services become equal rules, in whatever order their endpoints are.
 *
 * @param node Rules of frontends of kind `node` that have no endpoint ask for these addresses.
 */
export function serviceRules(service: Service, settings: LayoutSettings, node: NodePlaces): readonly ServiceRules[] {
  return FAMILIES.flatMap((family) => {
    const frontends = service.frontends.filter((frontend) => isOfFamily(frontend, family))
    return frontends.length === 0 ? [] : [familyRules(service, family, frontends, settings, node)]
  })
}
