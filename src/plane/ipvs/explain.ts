/**
 * The way of a connection's first packet through IPVS and the tables beside it.
 */
import type { Ipvs, RealServer, VirtualService, VirtualServiceKey } from '../../ipvs/index.js'
import type { ExplainedShare, ExplainedTarget, ExplanationOutcome } from '../explanation.js'
import { isInRanges, policyOf, remembered } from '../tables/explain/frontend.js'
import { refusals, type Refused } from '../tables/explain/refusal.js'
import { frontendKey, isNodeAddress, isServiceAddress, serviceOf, type Destination, type Scene } from '../tables/explain/scene.js'
import { served } from '../tables/explain/served.js'
import type { TableWalk } from '../tables/explain/walk.js'
import { serviceRangesSet } from '../tables/layout/declarations.js'
import { FIXED_SETS, fwmarkSetOf, type Scope } from '../tables/layout/sets.js'
import type { Key } from '../core/explain/lookups.js'
import { virtualServiceName } from './compile.js'

/** What is read of IPVS. */
export type ExplainedIpvs = Pick<Ipvs, 'getService' | 'listRealServers' | 'iterateConnections'>

/** A scene with IPVS, and the device that has the services' addresses. */
interface IpvsScene extends Scene {
  readonly ipvs: ExplainedIpvs
  readonly device: string
}

/** Schedulers that go by weights, or by nothing: of others what they do depends on the connections there are. */
const BY_WEIGHT: readonly string[] = ['wrr', 'sh', 'mh']
const BY_TURNS = 'rr'

/** How likely each server is. */
function shares(scheduler: string, servers: readonly RealServer[]): ExplainedShare[] {
  const partOf = ({ weight }: RealServer): number => (scheduler === BY_TURNS ? 1 : weight)
  const sum = servers.reduce((total, server) => total + partOf(server), 0)
  const isKnown = scheduler === BY_TURNS || BY_WEIGHT.includes(scheduler) || servers.length === 1
  return servers.map((server) => {
    const { address, port } = server
    return { address, port, ...(isKnown && { probability: partOf(server) / sum }) }
  })
}

/** The persistence template of the client. */
async function persistent({ ipvs, question, trail }: IpvsScene, { persistence }: VirtualService): Promise<ExplainedTarget | undefined> {
  const { protocol, address, port, from } = question
  const { timeoutSeconds } = persistence!
  const timeoutMs = timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000
  if (from === undefined) trail.misses('from')
  else {
    const filter = { protocol, clientAddress: from, clientPort: 0, virtualAddress: address, virtualPort: port }
    for await (const { realAddress, realPort, expiresSeconds } of ipvs.iterateConnections({ filter })) {
      const endpoint = { address: realAddress, port: realPort }
      trail.add({ type: 'affinity', endpoint, leftMs: expiresSeconds * 1000, timeoutMs })
      return endpoint
    }
  }
  trail.add({ type: 'affinity', timeoutMs })
  return undefined
}

/** Where a packet meets IPVS: the virtual service, and who else meets it. */
interface Met {
  readonly scope: Scope
  readonly key: VirtualServiceKey
  readonly service: string | undefined
  readonly clients: 'all' | 'inside' | 'outside'
}

/** The service that a frontend with an address belongs to. */
async function nameAt(scene: IpvsScene, key: Key): Promise<string | undefined> {
  const { question, lookups } = scene
  const { served, marks } = FIXED_SETS[question.family]
  for (const set of [served, marks.address.refused, marks.address.dropped]) {
    const element = await lookups.find(set, key)
    if (element !== undefined) return serviceOf(scene, 'address', element)
  }
  return question.ownerOf('address')
}

/** Chains `dispatch` and `node-dispatch`: which virtual service a packet to a frontend meets. */
async function meet(scene: IpvsScene, scope: Scope): Promise<Met | undefined> {
  const { question, lookups, client } = scene
  const { family, protocol, address, port } = question
  const key = frontendKey(scene, scope, question)
  const { marks } = FIXED_SETS[family]
  const name = scope === 'node' ? undefined : await nameAt(scene, key)
  const isSplit = await lookups.has(marks[scope]['external-local'], key)
  const isInside = isSplit && (await client.isInside())
  const clients = !isSplit ? 'all' : isInside ? 'inside' : 'outside'
  const set = fwmarkSetOf(family, scope, clients === 'outside')
  if (set === undefined) return { scope, clients, service: name, key: { protocol, address, port } }
  const element = await lookups.find(set, key)
  return element === undefined
    ? undefined
    : { scope, clients, service: serviceOf(scene, scope, element), key: { fwmark: element.data as number, family } }
}

/** What a virtual service does with the client. */
async function schedule(scene: IpvsScene, { scope, key, clients, service }: Met): Promise<ExplanationOutcome> {
  const { ipvs, question, trail } = scene
  const found = await ipvs.getService(key)
  if (found === undefined) return { type: 'untouched', reason: 'notOurs' }
  const trafficPolicy = clients === 'inside' ? 'cluster' : await policyOf(scene, scope, question)
  const object = `virtual service ${virtualServiceName(key)}`
  trail.add({ type: 'frontend', service, scope, clients, trafficPolicy, object })
  const isMarked = 'fwmark' in key && key.fwmark !== undefined
  const kept = found.persistence === null || isMarked ? undefined : await persistent(scene, found)
  if (kept !== undefined) return await served(scene, service, [{ ...kept, probability: 1 }], refusedBefore)
  const servers = (await ipvs.listRealServers(key)).filter(({ weight }) => weight > 0)
  if (servers.length === 0) return { type: 'refused', service, reason: 'noEndpoint' }
  const endpoints = shares(found.scheduler, servers)
  trail.add({ type: 'choice', scheduler: found.scheduler, endpoints })
  return await served(scene, service, endpoints, refusedBefore)
}

/** The chains that see a packet before IPVS does: refusals, and what no service has. */
async function refusedBefore(scene: IpvsScene, destination: Destination): Promise<Refused | undefined> {
  const { question, lookups, options } = scene
  const { family } = question
  const key = frontendKey(scene, 'address', destination)
  const isRanged = await lookups.has(FIXED_SETS[family].ranged, key)
  if (isRanged && !(await isInRanges(scene, key))) return { type: 'dropped', reason: 'sourceRanges', service: await nameAt(scene, key) }
  const refused = await refusals(scene, destination)
  if (refused !== undefined) return refused
  const fixed = FIXED_SETS[family]
  const isOthersToo = async (): Promise<boolean> =>
    !(await lookups.has(fixed['cluster-ips'], [destination.address])) && (await isNodeAddress(scene, destination.address))
  if ((await isServiceAddress(scene, destination.address)) && !(await isOthersToo())) {
    if (await lookups.has(fixed.served, key)) return undefined
    return { type: 'refused', reason: 'unservedPort', service: undefined }
  }
  const isLeaving = question.direction === 'outgoing' || !question.isOwn(destination.address)
  if (options.serviceRanges === undefined || !isLeaving) return undefined
  const range = await lookups.range(serviceRangesSet(family), destination.address)
  return range === undefined ? undefined : { type: 'dropped', reason: 'unservedAddress', service: undefined }
}

/** Where clients are remembered by the tables: they do not come to IPVS. */
async function rememberedByTables(scene: IpvsScene, scope: Scope): Promise<ExplainedShare | undefined> {
  const { question, lookups, objects, client } = scene
  const key = frontendKey(scene, scope, question)
  for (const set of objects.rules[question.family].keys()) {
    if (set.kind !== 'sticky' || set.scope !== scope || !(await lookups.has(set, key))) continue
    if (scope === 'address' && (await client.isInside())) return undefined
    return await remembered(scene, scope, question)
  }
  return undefined
}

async function walk(scene: IpvsScene, hasTable: boolean): Promise<ExplanationOutcome> {
  const { question, trail, lookups, device, ipvs } = scene
  const { protocol, address, port, family } = question
  if (!hasTable && (await ipvs.getService({ protocol, address, port })) === undefined) return { type: 'untouched', reason: 'nothing' }
  const isService = await isServiceAddress(scene, question.address)
  const isNode = await isNodeAddress(scene, question.address)
  if (isService && !question.isOwn(question.address))
    trail.add({ type: 'drift', objects: [`address ${question.address} is not on link ${device}`] })
  trail.add({ type: 'destination', is: isService || !hasTable ? 'service' : isNode ? 'node' : 'neither' })
  const refused = await refusedBefore(scene, question)
  if (refused !== undefined) return refused
  const isAddressed = !hasTable || (isService && (await lookups.has(FIXED_SETS[family].served, frontendKey(scene, 'address', question))))
  if (!isAddressed && !isNode) return { type: 'untouched', reason: 'notOurs' }
  const scope = isAddressed ? 'address' : 'node'
  const met = await meet(scene, scope)
  if (met === undefined) return { type: 'untouched', reason: 'notOurs' }
  const kept = await rememberedByTables(scene, scope)
  return kept === undefined ? await schedule(scene, met) : await served(scene, met.service, [kept], refusedBefore)
}

/** Follows packets through the tables, and through IPVS. @param device The link that has the services' addresses. */
export function walkThrough(ipvs: ExplainedIpvs, device: string): TableWalk {
  return (scene, hasTable) => walk({ ...scene, ipvs, device }, hasTable)
}
