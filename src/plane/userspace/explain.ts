/**
 * The way of a connection's first packet through the tables to a relay, and from there to an endpoint.
 */
import type { ExplainedShare } from '../explanation.js'
import { frontendKey, serviceOf } from '../tables/explain/scene.js'
import { clientsOf, walkWith, type Balance, type TableWalk } from '../tables/explain/walk.js'
import { FIXED_SETS } from '../tables/layout/sets.js'
import { missingRedirect, missingTo } from '../tables/reading/ways.js'
import type { ListeningRelays } from './listening.js'
import type { RelayEndpoint } from './relays/types.js'

function sharesOf(endpoints: readonly RelayEndpoint[]): ExplainedShare[] {
  const chosen = endpoints.filter(({ weight }) => weight > 0)
  const sum = chosen.reduce((total, { weight }) => total + weight, 0)
  return chosen.map(({ address, port, weight }) => ({ address, port, probability: weight / sum }))
}

/** Follows packets through the tables, and through the relays of this process. */
export function walkToRelays(listening: Pick<ListeningRelays, 'find'>): TableWalk {
  const balance: Balance = async (scene, scope, audience, isInside, destination) => {
    const { lookups, trail, question } = scene
    const { family, protocol } = question
    const set = FIXED_SETS[family].relays[scope][audience]
    const element = await lookups.find(set, frontendKey(scene, scope, destination))
    if (element === undefined) return undefined
    const service = serviceOf(scene, scope, element)
    if (trail.lacks([...missingTo(scene.lost, scope, audience), ...missingRedirect(scene.lost, scope, audience, set.name)]))
      return undefined
    const port = element.data as number
    const place = listening.find(protocol, family, port)?.place
    const clients = clientsOf(audience, isInside)
    trail.add({ type: 'frontend', service, scope, clients, trafficPolicy: place?.policy, object: `map ${set.name}` })
    const timeoutSeconds = place?.spec.affinity?.timeoutSeconds
    const memory = timeoutSeconds === undefined ? {} : { timeoutMs: timeoutSeconds * 1000 }
    trail.add({ type: 'relay', port, isListening: place !== undefined, ...memory })
    const endpoints = place === undefined ? [] : sharesOf(place.spec.endpoints)
    if (place !== undefined) trail.add({ type: 'choice', scheduler: place.spec.scheduler, endpoints })
    return { type: 'balanced', service, endpoints }
  }
  return walkWith(balance)
}
