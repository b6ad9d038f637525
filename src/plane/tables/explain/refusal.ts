/**
 * What the filter chains do with new connections.
 */
import type { RefusalReason } from '../../explanation.js'
import { nodeAddressesSet, serviceRangesSet } from '../layout/declarations.js'
import { missingFilter, missingRefusals } from '../reading/ways.js'
import { FIXED_SETS, type Mark, type Scope } from '../layout/sets.js'
import { filterHook, frontendKey, isNodeAddress, isServiceAddress, serviceOf, type Destination, type Scene } from './scene.js'

/** A connection that comes no further. */
export interface Refused {
  readonly type: 'refused' | 'dropped'
  readonly reason: RefusalReason
  readonly service: string | undefined
}

/** Which marks refuse or drop, in the order of their rules. `whose`: connections of whom. All but the first are of frontends with policy `local`. */
const MARKS: readonly (readonly [mark: Mark, type: Refused['type'], reason: RefusalReason, whose: 'all' | 'inside' | 'outside'])[] = [
  ['refused', 'refused', 'noEndpoint', 'all'],
  ['dropped', 'dropped', 'noLocalEndpoint', 'all'],
  ['refused-inside', 'refused', 'noEndpoint', 'inside'],
  ['dropped-outside', 'dropped', 'noLocalEndpoint', 'outside']
]

/** Chain `refusals` of a scope. */
async function refusalOf(scene: Scene, scope: Scope, destination: Destination): Promise<Refused | undefined> {
  const { question, lookups, client, trail } = scene
  const marks = FIXED_SETS[question.family].marks[scope]
  for (const [mark, type, reason, whose] of MARKS) {
    const element = await lookups.find(marks[mark], frontendKey(scene, scope, destination))
    if (element === undefined) continue
    const service = serviceOf(scene, scope, element)
    const trafficPolicy = mark === 'refused' ? undefined : 'local'
    trail.add({ type: 'frontend', service, scope, clients: whose, trafficPolicy, object: `set ${marks[mark].name}` })
    const hook = filterHook(question, destination.address)
    if (trail.lacks(missingRefusals(scene.lost, scope, [hook], [marks[mark].name]))) return undefined
    // The chains that these sets lead to end there.
    if (whose !== 'all' && (await client.isInside()) !== (whose === 'inside')) return undefined
    return { type, reason, service }
  }
  return undefined
}

/** Chains `refusals` and `node-refusals`. */
export async function refusals(scene: Scene, destination: Destination): Promise<Refused | undefined> {
  const { direction, isOwn } = scene.question
  const isInput = direction === 'incoming' && isOwn(destination.address)
  if (await isServiceAddress(scene, destination.address)) {
    const refused = await refusalOf(scene, 'address', destination)
    if (refused !== undefined) return refused
  }
  if ((isInput || direction === 'outgoing') && (await isNodeAddress(scene, destination.address))) {
    const refused = await refusalOf(scene, 'node', destination)
    if (refused !== undefined) return refused
  }
  return undefined
}

/** What becomes of a new connection to a destination in the filter chains; undefined: it passes. */
export async function filter(scene: Scene, destination: Destination): Promise<Refused | undefined> {
  const { question, options, lookups } = scene
  const { direction, family, isOwn } = question
  const fixed = FIXED_SETS[family]
  const address = [destination.address]
  const refused = await refusals(scene, destination)
  if (refused !== undefined || (direction === 'incoming' && isOwn(destination.address))) return refused
  const missing = missingFilter(scene.lost, filterHook(question, destination.address))
  if (missing.length > 0) {
    if (await isServiceAddress(scene, destination.address)) scene.trail.lacks(missing)
    return undefined
  }
  // What addresses of services do not serve the plane refuses for which these tables carry some.
  if (options.carrierOf !== undefined) return undefined
  if (await lookups.has(fixed['cluster-ips'], address)) return { type: 'refused', reason: 'unservedPort', service: undefined }
  if (options.serviceRanges === undefined) return undefined
  const range = await lookups.range(serviceRangesSet(family), destination.address)
  return range === undefined ? undefined : { type: 'dropped', reason: 'unservedAddress', service: undefined }
}

/** Addresses of endpoints at which new connections may be refused or dropped: of many, few or none are. */
export async function mayBeRefused(scene: Scene, endpoints: readonly Destination[]): Promise<ReadonlySet<string>> {
  const { question, options, lookups } = scene
  const { family } = question
  const addresses = [...new Set(endpoints.map(({ address }) => address))]
  const suspects = new Set<string>()
  for (const set of [FIXED_SETS[family]['cluster-ips'], FIXED_SETS[family]['external-ips'], nodeAddressesSet(family)]) {
    const keys = addresses.map((address) => [address])
    for (const { key } of await lookups.among(set, keys)) suspects.add(key as string)
  }
  if (options.serviceRanges === undefined) return suspects
  for (const address of addresses) if ((await lookups.range(serviceRangesSet(family), address)) !== undefined) suspects.add(address)
  return suspects
}
