/**
 * The way of a connection's first packet through IPVS and the table beside it.
 */
import type { Ipvs, RealServer, VirtualService } from '../../ipvs/index.js'
import { listOwnTables } from '../../nftables/own-tables.js'
import type { Nftables } from '../../nftables/index.js'
import { Trail, type Findings, type Question } from '../core/explain/explain.js'
import { formatTarget } from '../core/frontend.js'
import { Lookups, type DeclaredSet, type Key } from '../core/explain/lookups.js'
import type { ExplainedShare, ExplanationOutcome, ExplainedTarget, SourceReason } from '../explanation.js'
import { declarations, ownTables, type SurroundingsKind, type SurroundingsOptions } from './layout.js'

/** What is read. */
export interface ExplainedSubsystems {
  readonly ipvs: Pick<Ipvs, 'getService' | 'listRealServers' | 'iterateConnections'>
  readonly nft: Pick<Nftables, 'listTables' | 'getElements' | 'listElements'>
  readonly options: SurroundingsOptions
}

interface Scene extends ExplainedSubsystems {
  readonly question: Question
  readonly trail: Trail
  readonly lookups: Lookups<SurroundingsKind | 'local-sources'>
  /** Undefined where the name is not known: IPVS holds none. */
  readonly service: string | undefined
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
async function remembered(scene: Scene, { persistence }: VirtualService): Promise<ExplainedTarget | undefined> {
  const { ipvs, question, trail } = scene
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

/** The rules about the client, which are the same for all endpoints but himself. */
async function clientRules({ question, trail, lookups, options }: Scene): Promise<SourceReason> {
  const { from, direction, address } = question
  if (from === undefined) trail.misses('from')
  // The route to an address of this node takes that address as source.
  if (await lookups.has('vips', [from ?? address])) return 'serviceAddress'
  if (options.localSources === undefined) return 'never'
  const isLocal = from !== undefined && (await lookups.range('local-sources', from)) !== undefined
  const is = isLocal ? 'local' : direction === 'outgoing' ? 'node' : 'outside'
  trail.add({ type: 'client', is, by: is === 'node' ? 'direction' : 'prefixes' })
  return isLocal ? 'local' : 'notLocal'
}

const KEPT: readonly SourceReason[] = ['never', 'local', 'delivered']

/** What becomes of a connection that IPVS takes, at each server that it may go to. */
async function served(scene: Scene, endpoints: readonly ExplainedShare[]): Promise<ExplanationOutcome> {
  const { question, trail, lookups, service } = scene
  const { from, direction, isOwn } = question
  const isHairpin = async ({ address }: ExplainedTarget): Promise<boolean> =>
    address === from && (await lookups.has('hairpin', [from, address]))
  const isDelivered = ({ address }: ExplainedTarget): boolean => direction === 'incoming' && isOwn(address)
  const rest = await clientRules(scene)
  const explained = []
  for (const endpoint of endpoints) {
    const reason = isDelivered(endpoint) ? 'delivered' : (await isHairpin(endpoint)) ? 'hairpin' : rest
    explained.push({ ...endpoint, source: KEPT.includes(reason) ? ('client' as const) : ('node' as const), reason })
  }
  for (const reason of new Set(explained.map((endpoint) => endpoint.reason))) {
    const same = explained.filter((endpoint) => endpoint.reason === reason)
    trail.add({ type: 'source', source: same[0]!.source, reason, endpoints: same.map(({ address, port }) => ({ address, port })) })
  }
  return { type: 'served', service, endpoints: explained }
}

async function walk(scene: Scene, hasTable: boolean): Promise<ExplanationOutcome> {
  const { ipvs, question, trail, lookups, options, service } = scene
  const { protocol, address, port, isOwn } = question
  const isVip = await lookups.has('vips', [address])
  const found = await ipvs.getService({ protocol, address, port })
  if (!hasTable && found === undefined) return { type: 'untouched', reason: 'nothing' }
  if (!hasTable) trail.add({ type: 'drift', objects: [`table ${question.family} ${options.table} is missing`] })
  if (isVip && !isOwn(address)) trail.add({ type: 'drift', objects: [`address ${address} is not on link ${options.device}`] })
  trail.add({ type: 'destination', is: isVip || !hasTable ? 'service' : 'neither' })
  if (hasTable && !isVip) return { type: 'untouched', reason: 'notOurs' }
  const object = `virtual service ${protocol} ${formatTarget(question)}`
  if (found !== undefined) trail.add({ type: 'frontend', service, scope: 'address', clients: 'all', trafficPolicy: 'cluster', object })
  const key: Key = [address, protocol, port]
  if (hasTable && !(await lookups.has('frontends', key)))
    return { type: 'refused', service, reason: found === undefined ? 'unservedPort' : 'noEndpoint' }
  if (found === undefined) return { type: 'untouched', reason: 'notOurs' }
  const kept = found.persistence === null ? undefined : await remembered(scene, found)
  if (kept !== undefined) return await served(scene, [{ ...kept, probability: 1 }])
  const servers = (await ipvs.listRealServers({ protocol, address, port })).filter(({ weight }) => weight > 0)
  if (servers.length === 0) return { type: 'refused', service, reason: 'noEndpoint' }
  const endpoints = shares(found.scheduler, servers)
  trail.add({ type: 'choice', scheduler: found.scheduler, endpoints })
  return await served(scene, endpoints)
}

/** Explains what IPVS and the table beside it do with a packet. */
export async function explainIpvs(subsystems: ExplainedSubsystems, question: Question): Promise<Findings> {
  const { nft, options } = subsystems
  const { family } = question
  const tables = await listOwnTables(nft, ownTables(options))
  const declared = declarations(family, options.localSources !== undefined)
  const declare = (set: SurroundingsKind | 'local-sources'): DeclaredSet => declared.get(set)!
  const lookups = new Lookups(nft, { family, name: options.table, declare })
  const trail = new Trail()
  const scene: Scene = { ...subsystems, question, trail, lookups, service: question.ownerOf('address') }
  return trail.end(
    await walk(
      scene,
      tables.some((table) => table.family === family)
    )
  )
}
