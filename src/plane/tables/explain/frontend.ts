/**
 * What is asked about a frontend and a client of it, whoever balances.
 */
import { describeField } from '../../../nftables/bounds.js'
import type { Key } from '../../core/explain/lookups.js'
import type { ExplainedShare } from '../../explanation.js'
import type { TrafficPolicy } from '../../model.js'
import { affinityMap } from '../layout/balancing.js'
import { FIXED_SETS, type Scope } from '../layout/sets.js'
import { frontendKey, type Destination, type Scene } from './scene.js'

/** Looks for the client in the map of those that are remembered. */
export async function remembered(scene: Scene, scope: Scope, destination: Destination): Promise<ExplainedShare | undefined> {
  const { question, lookups, trail, client, objects } = scene
  const key = frontendKey(scene, scope, destination)
  let timeoutMs: number | undefined
  for (const set of objects.rules[question.family].keys())
    if (set.kind === 'sticky' && set.scope === scope && (await lookups.has(set, key))) timeoutMs = set.stickiness!.timeoutSeconds * 1000
  const { address: from } = client
  const element = from === undefined ? undefined : await lookups.find(affinityMap(question.family, scope), [from, ...key])
  if (element === undefined) {
    trail.add({ type: 'affinity', timeoutMs })
    return undefined
  }
  const [address, port] = element.data as readonly [string, number]
  trail.add({ type: 'affinity', endpoint: { address, port }, leftMs: element.expirationMs, timeoutMs })
  return { address, port, probability: 1 }
}

/** The traffic policy of a frontend that is served, by what is said of its connections' sources. */
export async function policyOf(scene: Scene, scope: Scope, destination: Destination): Promise<TrafficPolicy> {
  const { marks, unmasqueraded } = FIXED_SETS[scene.question.family]
  const key = frontendKey(scene, scope, destination)
  const isLocal =
    (await scene.lookups.has(marks[scope]['masqueraded-own'], key)) ||
    (scope === 'address' && (await scene.lookups.has(unmasqueraded, key)))
  return isLocal ? 'local' : 'cluster'
}

/** The range that has every client, as nft writes it, and an address by which it is found. */
const EVERYBODY = { ip: { none: '0.0.0.0', all: '0.0.0.0/0' }, ip6: { none: '::', all: '::/0' } } as const

/** Chain `ranges`: whether the frontend takes the client. */
export async function isInRanges({ question, lookups, trail, client }: Scene, key: Key): Promise<boolean> {
  const { denied, restricted, allowed } = FIXED_SETS[question.family]
  const { none, all } = EVERYBODY[question.family]
  const find = async (set: typeof denied, address: string): Promise<string | undefined> => {
    const element = await lookups.find(set, [address, ...key])
    return element === undefined ? undefined : describeField((element.key as Key)[0]!)
  }
  const rangeIn = async (set: typeof denied): Promise<string | undefined> => {
    if (question.from === undefined && (await find(set, none)) === all) return all
    const { address } = client
    return address === undefined ? undefined : await find(set, address)
  }
  const deniedRange = await rangeIn(denied)
  if (deniedRange !== undefined) {
    trail.add({ type: 'sourceRanges', list: 'deny', range: deniedRange, isServed: false })
    return false
  }
  if (!(await lookups.has(restricted, key))) {
    trail.add({ type: 'sourceRanges', list: 'deny', isServed: true })
    return true
  }
  const range = await rangeIn(allowed)
  trail.add({ type: 'sourceRanges', list: 'allow', range, isServed: range !== undefined })
  return range !== undefined
}
