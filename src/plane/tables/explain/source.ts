/**
 * Whose address endpoints see: chain `translated`.
 */
import type { SourceReason } from '../../explanation.js'
import { FIXED_SETS, type Scope } from '../layout/sets.js'
import { missingMasking, type Masking } from '../reading/ways.js'
import { frontendKey, isNodeAddress, isServiceAddress, type Destination, type Scene } from './scene.js'

/** Whose address an endpoint sees, and why. */
export interface Source {
  readonly source: 'client' | 'node'
  readonly reason: SourceReason
}

/** What gives the connection an address of this node, where rules do. */
interface Found extends Source {
  readonly masking?: Masking | undefined
}

const seesNode = (reason: SourceReason, masking?: Masking): Found => ({ source: 'node', reason, masking })
const seesClient = (reason: SourceReason): Source => ({ source: 'client', reason })

/** Where IPVS balances, addresses of services are this node's own: one that it asks by itself is the source of its packets, too. */
async function isFromService(scene: Scene): Promise<boolean> {
  const { options, question } = scene
  const { direction, from, address } = question
  if (options.marks === undefined || (from === undefined && direction === 'incoming')) return false
  return await isServiceAddress(scene, from ?? address)
}

/** The rules about the frontend, which are the same for all its endpoints. */
async function frontendRules(scene: Scene, frontend: Destination): Promise<Found> {
  const { client, lookups, options, question } = scene
  const { marks, unmasqueraded, 'cluster-ips': clusterAddresses } = FIXED_SETS[question.family]
  const isIn = (mark: 'masqueraded' | 'masqueraded-own', scope: Scope): Promise<boolean> =>
    lookups.has(marks[scope][mark], frontendKey(scene, scope, frontend))
  const masking = (mark: 'masqueraded' | 'masqueraded-own', scope: Scope): Masking => ({
    through: scope === 'node' ? 'translated-node' : 'translated-external',
    asks: marks[scope][mark].name
  })
  if (await isFromService(scene)) return seesNode('serviceAddress', {})
  if (await isIn('masqueraded', 'address')) return seesNode('external', masking('masqueraded', 'address'))
  const isOwn = await isIn('masqueraded-own', 'address')
  if (isOwn && client.isNode) return seesNode('node', masking('masqueraded-own', 'address'))
  let kept: SourceReason = isOwn ? 'policyLocal' : 'never'
  if (options.masquerade !== 'never') {
    if (await lookups.has(unmasqueraded, frontendKey(scene, 'address', frontend))) return seesClient('policyLocal')
    if (await lookups.has(clusterAddresses, [frontend.address])) {
      const through = { through: 'translated-cluster' } as const
      if (options.masquerade === 'all') return seesNode('all', through)
      if (options.localSources === undefined || (await client.isNotLocal())) return seesNode('notLocal', through)
      kept = 'local'
    }
  }
  if (!(await isNodeAddress(scene, frontend.address))) return seesClient(kept)
  if (await isIn('masqueraded', 'node')) return seesNode('external', masking('masqueraded', 'node'))
  if (!(await isIn('masqueraded-own', 'node'))) return seesClient(kept)
  return client.isNode ? seesNode('node', masking('masqueraded-own', 'node')) : seesClient('policyLocal')
}

/** What comes of it by the rules that are there. */
function settled({ lost, trail }: Scene, { masking, ...source }: Found): Source {
  return masking !== undefined && trail.lacks(missingMasking(lost, masking)) ? seesClient('unmasked') : source
}

/** Which endpoints are the client itself, by the set of those that may meet themselves. */
async function hairpins(scene: Scene, endpoints: readonly Destination[]): Promise<ReadonlySet<Destination>> {
  const { question, lookups, client } = scene
  const isOwn = endpoints.some(({ address }) => question.isOwn(address))
  const from = question.from ?? (isOwn ? client.address : undefined)
  const found = new Set<Destination>()
  for (const endpoint of endpoints) {
    if (endpoint.address !== from) continue
    const key = [from, endpoint.address, question.protocol, endpoint.port]
    if (await lookups.has(FIXED_SETS[question.family].hairpin, key)) found.add(endpoint)
  }
  return found
}

/** A relay makes connections of its own. */
function seenFromRelays<T extends Destination>({ trail }: Scene, endpoints: readonly T[]): readonly (T & Source)[] {
  const source: Source = { source: 'node', reason: 'relay' }
  if (endpoints.length > 0) trail.add({ type: 'source', ...source, endpoints: endpoints.map(({ address, port }) => ({ address, port })) })
  return endpoints.map((endpoint) => ({ ...endpoint, ...source }))
}

/** Whose address each endpoint sees. */
export async function sourcesFor<T extends Destination>(
  scene: Scene,
  frontend: Destination,
  endpoints: readonly T[]
): Promise<readonly (T & Source)[]> {
  const { question, trail, options } = scene
  if (options.relays !== undefined) return seenFromRelays(scene, endpoints)
  const own = await hairpins(scene, endpoints)
  // A packet that comes in for this node itself leaves it by no link.
  const isDelivered = ({ address }: Destination): boolean => question.direction === 'incoming' && question.isOwn(address)
  const others = endpoints.filter((endpoint) => !isDelivered(endpoint) && !own.has(endpoint))
  const rest = others.length === 0 ? undefined : settled(scene, await frontendRules(scene, frontend))
  const hairpin = own.size === 0 ? undefined : settled(scene, seesNode('hairpin', { asks: FIXED_SETS[question.family].hairpin.name }))
  const sourced = endpoints.map((endpoint) => {
    const source = isDelivered(endpoint) ? seesClient('delivered') : own.has(endpoint) ? hairpin! : rest!
    return { ...endpoint, ...source }
  })
  for (const reason of new Set(sourced.map((endpoint) => endpoint.reason))) {
    const same = sourced.filter((endpoint) => endpoint.reason === reason)
    trail.add({ type: 'source', source: same[0]!.source, reason, endpoints: same.map(({ address, port }) => ({ address, port })) })
  }
  return sourced
}
