import type { FlowEndpoint, FlowFilter } from '../../src/conntrack/filter.js'
import type { FlowInput, FlowProtocol, FlowTuple } from '../../src/conntrack/types.js'
import type { Random } from './random.js'

/** Random flows and filters out of a small world, so that every condition is met now and then. */

const some = <T>(random: Random, from: readonly T[]): T[] => Array.from({ length: 1 + random.below(3) }, () => random.pick(from))

const hosts = { ip: ['10.0.0.1', '10.0.0.2', '10.0.1.1', '10.128.0.1'], ip6: ['fd00::1', 'fd00::2', 'fd00:0:0:1::1', 'fe00::1'] } as const
const prefixes = {
  ip: [...hosts.ip, '10.0.0.0/24', '10.0.0.0/15', '0.0.0.0/0', '10.0.0.2/31'],
  ip6: [...hosts.ip6, 'fd00::/64', 'fd00::/63', '::/0', 'fd00::2/127']
} as const
const ports = [1, 2, 53, 65_535]
const withPorts = ['tcp', 'udp', 'udplite', 'sctp'] as const
const states = { tcp: ['none', 'established', 'time-wait'], sctp: ['closed', 'established'] } as const

type Family = 'ip' | 'ip6'

function tuple(random: Random, family: Family, protocol: FlowProtocol): FlowTuple {
  const ends = { source: random.pick(hosts[family]), destination: random.pick(hosts[family]) }
  if (protocol === 'icmp') return { ...ends, icmpId: random.below(3), icmpType: random.pick([8, 13, 15]), icmpCode: 0 }
  if (protocol === 'icmpv6') return { ...ends, icmpId: random.below(3), icmpType: random.pick([128, 139]), icmpCode: 0 }
  if (protocol === 'gre') return { ...ends, sourceKey: random.pick(ports), destinationKey: random.pick(ports) }
  if (typeof protocol === 'number') return ends
  return { ...ends, sourcePort: random.pick(ports), destinationPort: random.pick(ports) }
}

/** A flow to create; its tuple may be that of another. */
export function randomFlow(random: Random): FlowInput {
  const family = random.pick(['ip', 'ip6'] as const)
  const protocol = random.pick<FlowProtocol>([...withPorts, ...withPorts, family === 'ip' ? 'icmp' : 'icmpv6', 'gre', 0, 89])
  const original = tuple(random, family, protocol)
  const hasPorts = original.sourcePort !== undefined
  return {
    protocol,
    original,
    timeoutSeconds: random.pick([500, 1000, 100_000]),
    mark: random.pick([0, 1, 2, 3, 0x80000001]),
    ...(random.chance(30) ? { zone: random.pick([1, 2]) } : {}),
    ...(random.chance(30) ? { status: random.pick([['seen-reply'], ['seen-reply', 'assured'], ['fixed-timeout']] as const) } : {}),
    ...(random.chance(30) ? { labels: some(random, [0, 1, 64, 127]) } : {}),
    ...(protocol === 'tcp'
      ? { state: random.pick(states.tcp), ...(random.chance(20) ? { helper: random.pick(['ftp', 'sip']) } : {}) }
      : {}),
    ...(protocol === 'sctp' ? { state: random.pick(states.sctp), sctp: { originalTag: 1, replyTag: 2 } } : {}),
    ...(hasPorts && random.chance(20) ? { destinationNat: { first: random.pick(hosts[family]), firstPort: random.pick(ports) } } : {}),
    ...(hasPorts && random.chance(20) ? { sourceNat: { first: random.pick(hosts[family]) } } : {})
  }
}

function portCondition(random: Random): FlowFilter['originalSourcePort'] {
  const range = { first: 2, last: random.pick([2, 60, 65_535]) }
  return random.pick([random.pick(ports), range, [random.pick(ports), range], some(random, ports)])
}

function endpoints(random: Random): FlowEndpoint[] {
  const hasPorts = random.chance(50)
  return Array.from({ length: random.below(4) }, () => ({
    address: random.pick(hosts[random.pick(['ip', 'ip6'] as const)]),
    ...(hasPorts ? { port: random.pick(ports) } : {})
  }))
}

const oneOrMore = <T>(random: Random, from: readonly T[]): T | T[] => (random.chance(60) ? random.pick(from) : some(random, from))

/** Makes a condition for each field; `family` keeps addresses of one clause compatible. */
const conditions: Readonly<Record<string, (random: Random, family: Family) => unknown>> = {
  family: (_, family) => family,
  ...Object.fromEntries(
    (['originalSource', 'originalDestination', 'replySource', 'replyDestination'] as const).map((name) => [
      name,
      (random: Random, family: Family) => oneOrMore(random, prefixes[family])
    ])
  ),
  ...Object.fromEntries(
    (['replySourceIn', 'replySourceNotIn', 'originalDestinationIn', 'originalDestinationNotIn'] as const).map((name) => [name, endpoints])
  ),
  zone: (random) => random.below(3),
  originalZone: (random) => random.below(3),
  replyZone: (random) => random.below(3),
  mark: (random) => random.pick([0, 1, 0x80000001, { value: 1 }, { value: 1, mask: 1 }, { value: 0x80000000, mask: 0xff000000 }]),
  status: (random) =>
    random.pick([{ assured: true }, { 'seen-reply': false }, { confirmed: true, 'fixed-timeout': true }, { dying: false }]),
  nat: (random) => random.pick(['source', 'destination', 'any', 'none']),
  timeoutSeconds: (random) => random.pick([{ atLeast: 700 }, { atMost: 700 }, { atLeast: 600, atMost: 50_000 }]),
  ageSeconds: (random) => random.pick([{ atLeast: 3600 }, { atMost: 3600 }, { atLeast: 0, atMost: 3600 }]),
  helper: (random) => oneOrMore(random, ['ftp', 'sip', 'irc']),
  labels: (random) => some(random, [0, 1, 64, 127]),
  id: (random) => random.below(2 ** 31)
}

const portFields = ['originalSourcePort', 'originalDestinationPort', 'replySourcePort', 'replyDestinationPort']

/** A filter of some conditions; `ids` are those of flows that exist. */
export function randomFilter(random: Random, ids: readonly number[]): FlowFilter {
  const family = random.pick(['ip', 'ip6'] as const)
  const filter: Record<string, unknown> = {}
  for (const [name, make] of Object.entries(conditions)) if (random.chance(name === 'family' ? 40 : 10)) filter[name] = make(random, family)
  if (filter['id'] !== undefined) filter['id'] = random.pick(ids)
  if (random.chance(50)) {
    const protocol = random.pick(['tcp', 'udp', 'sctp', 'icmp', 'icmpv6', 89, 0, ['tcp', 'udp'], ['icmp', 'icmpv6'], ['gre', 89]] as const)
    filter['protocol'] = protocol
    if ((protocol === 'tcp' || protocol === 'sctp') && random.chance(40)) filter['state'] = oneOrMore<string>(random, states[protocol])
    if (['icmp', 'icmpv6'].includes([protocol].flat()[0] as string) && random.chance(50))
      filter['icmpType'] = oneOrMore(random, [8, 13, 128])
  }
  const hasPorts = [filter['protocol'] ?? 'tcp'].flat().every((protocol) => withPorts.includes(protocol as 'tcp'))
  const endpointFields = Object.keys(filter).filter((name) => /In$/.test(name))
  if (!hasPorts) for (const name of endpointFields) filter[name] = (filter[name] as FlowEndpoint[]).map(({ address }) => ({ address }))
  if (hasPorts) for (const name of portFields) if (random.chance(20)) filter[name] = portCondition(random)
  return filter
}
