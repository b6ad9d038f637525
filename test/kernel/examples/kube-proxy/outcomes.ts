// What came of probes, in words that can be compared.
import type { Event } from '../../../contract/behaviour/agent.js'
import { describeEvent } from '../../../contract/behaviour/compare.js'
import type { Probe } from './probes.js'

/** What came of each probe, by its id. */
export type Outcomes = ReadonlyMap<string, string>
type Events = ReadonlyMap<string, readonly Event[]>

/** Said of many clients that meet the same endpoint at another address of the service as at its cluster address. */
export const AS_AT_CLUSTER_ADDRESS = 'as at the cluster address'

const sorted = (words: Iterable<string>): string => [...new Set(words)].sort().join(', ')

/** Whether each client met one server. */
function isKept(events: readonly Event[]): boolean {
  const servers = new Map<string, string>()
  return events.every((event) => {
    if (event[0] !== 'answer') return true
    const server = event[1].split(' ')[0]!
    const before = servers.get(event[2]) ?? server
    servers.set(event[2], server)
    return before === server
  })
}

/** Of a client of one address: which endpoint it met was left to chance. */
const withoutName = (text: string): string => text.replace(/^\S+ sees/, 'an endpoint sees')

function describeSticky({ target, client }: Probe, events: readonly Event[], atCluster: readonly Event[]): string {
  const words = events.map((event) => describeEvent(event, target.address))
  if (!events.some(([kind]) => kind === 'answer')) return sorted(words)
  const kept = isKept(events) ? 'each client keeps its own' : 'clients do not keep theirs'
  if (client.name !== 'many outside') return `${sorted(words.map(withoutName))}, ${kept}`
  const isAlike = isKept([...atCluster, ...events])
  return `${sorted(words)}, ${kept}, ${isAlike ? '' : 'not '}${AS_AT_CLUSTER_ADDRESS}`
}

/** What the same clients met at the cluster address of the service. */
function atClusterAddress({ client, target }: Probe, probes: readonly Probe[], all: Events): readonly Event[] {
  const found = probes.find(
    (other) => other.isSticky && other.client === client && other.target.kind === 'cluster' && other.target.service === target.service
  )
  return all.get(found?.id ?? '') ?? []
}

/** All that came of the probes of a case. */
export function outcomesOf(probes: readonly Probe[], all: Events): Outcomes {
  return new Map(
    probes.map((probe) => {
      const events = all.get(probe.id) ?? []
      const text = probe.isSticky
        ? describeSticky(probe, events, atClusterAddress(probe, probes, all))
        : sorted(events.map((event) => describeEvent(event, probe.target.address)))
      return [probe.id, text]
    })
  )
}
