import { expect, it } from 'vitest'
import { canonicalAddress } from '../../../../../src/core/address.js'
import { isIn, requireRanges } from '../../../../../src/plane/core/ranges.js'
import type { IptablesRule } from '../../../../../src/iptables/index.js'
import type { ChainRules } from '../../../../../src/plane/iptables/layout/types.js'
import type { LayoutSettings } from '../../../../../src/plane/iptables/layout/settings.js'
import type { Endpoint, Frontend, Service, SourceRanges, TrafficPolicy } from '../../../../../src/plane/model.js'
import { Random } from '../../../../support/random.js'
import { randomService } from '../../../../support/random-services.js'
import { chainsOf, PLAIN, type Layout } from '../../../../support/iptables-layout.js'
import { endsOf, type End, type Packet } from './walk.js'

/** What docs/service-model.md says of the first packet of a connection. */
class Model {
  readonly #layout: Required<Layout>
  readonly #addresses: readonly string[]

  /** @param addresses The node's. */
  constructor(layout: Required<Layout>, addresses: readonly string[]) {
    this.#layout = layout
    this.#addresses = addresses
  }

  ends(packet: Packet): readonly End[] {
    const { services, settings } = this.#layout
    const found = this.#addressed(packet) ?? this.#onNode(packet)
    if (found !== undefined) return this.#through(...found, packet)
    const isCluster = services.some(({ frontends }) =>
      frontends.some((frontend) => frontend.kind === 'cluster' && canonicalAddress(frontend.address) === packet.destination)
    )
    if (isCluster) return [{ to: 'refused' }]
    return [{ to: settings.serviceRanges !== undefined && isIn(packet.destination, settings.serviceRanges) ? 'dropped' : 'untouched' }]
  }

  #find({ protocol, port }: Packet, isIt: (frontend: Frontend) => boolean): [Service, Frontend] | undefined {
    for (const service of this.#layout.services) {
      const frontend = service.frontends.find((each) => each.port === port && isIt(each))
      if (service.protocol === protocol && frontend !== undefined) return [service, frontend]
    }
    return undefined
  }

  #addressed(packet: Packet): [Service, Frontend] | undefined {
    return this.#find(packet, (frontend) => frontend.kind !== 'node' && canonicalAddress(frontend.address) === packet.destination)
  }

  #onNode(packet: Packet): [Service, Frontend] | undefined {
    const places = this.#layout.node[packet.family]
    const isServed = places === 'all' ? this.#addresses.includes(packet.destination) : places.includes(packet.destination)
    const isLoopback = packet.destination === '127.0.0.1' && this.#layout.settings.loopbackNodePorts
    if (!isServed && !(isLoopback && places === 'all')) return undefined
    return this.#find(packet, (frontend) => frontend.kind === 'node' && (frontend.family ?? packet.family) === packet.family)
  }

  #isLocalClient({ source, link = '' }: Packet): boolean {
    const { localSources } = this.#layout.settings
    if (localSources === undefined) return false
    if (localSources.by === 'prefixes') return isIn(source, localSources.ranges)
    return localSources.isPrefix ? link.startsWith(localSources.name) : link === localSources.name
  }

  #chosen({ endpoints }: Service, { family }: Packet, policy: TrafficPolicy): readonly Endpoint[] {
    const may = endpoints.filter(
      ({ address, weight, side = policy, local }) =>
        address.includes(':') === (family === 'ip6') && weight !== 0 && side === policy && (policy === 'cluster' || local)
    )
    const ready = may.filter(({ state = 'ready' }) => state === 'ready')
    return ready.length > 0 ? ready : may.filter(({ state }) => state === 'serving')
  }

  #through(service: Service, frontend: Frontend, packet: Packet): readonly End[] {
    const ranges = frontend.kind === 'loadBalancer' ? frontend.sourceRanges : undefined
    if (ranges !== undefined && !isTaken(packet, ranges)) return [{ to: 'dropped' }]
    const isInside = packet.link === undefined || this.#isLocalClient(packet)
    const isBound = frontend.trafficPolicy === 'local' && (frontend.kind === 'cluster' || !isInside)
    const chosen = this.#chosen(service, packet, isBound ? 'local' : 'cluster')
    if (chosen.length === 0) return [{ to: isBound && this.#chosen(service, packet, 'cluster').length > 0 ? 'dropped' : 'refused' }]
    return chosen.map(({ address, port }) => ({
      to: `${canonicalAddress(address)} ${port}`,
      isMasqueraded: canonicalAddress(address) === packet.source || this.#isMasqueraded(frontend, packet)
    }))
  }

  #isMasqueraded({ kind, trafficPolicy }: Frontend, packet: Packet): boolean {
    const { masquerade } = this.#layout.settings
    if (kind !== 'cluster') return trafficPolicy !== 'local' || packet.link === undefined
    if (trafficPolicy === 'local') return false
    return masquerade === 'all' || (masquerade === 'nonLocal' && !this.#isLocalClient(packet))
  }
}

function isTaken({ source }: Packet, { allow, deny = [] }: SourceRanges): boolean {
  return (allow === undefined || isIn(source, requireRanges('', allow))) && !isIn(source, requireRanges('', deny))
}

const SOURCES: readonly NonNullable<LayoutSettings['localSources']>[] = [
  { by: 'prefixes', ranges: requireRanges('', ['10.1.0.0/24', '10.9.0.0/16', 'fd00:1::/64']) },
  { by: 'prefixes', ranges: requireRanges('', ['10.1.0.0/16']) },
  { by: 'interface', name: 'cni0', isPrefix: false },
  { by: 'interface', name: 'cn', isPrefix: true }
]
const NODE = { ip: '192.0.2.1', ip6: 'fd00:2::1' }
const OTHER = { ip: '192.0.2.9', ip6: 'fd00:2::9' }

function layoutOf(random: Random): Required<Layout> & { readonly addresses: readonly string[] } {
  const ownAddresses = random.pick(['refuse', 'serve'] as const)
  const services = Array.from({ length: 1 + random.below(8) }, (_, number) => randomService(random, number))
  services.push({
    ...{ name: 'for others', protocol: 'tcp', endpoints: [{ address: '10.1.0.5', port: 8080, local: true, side: 'local' }] },
    frontends: [{ kind: 'external', address: '203.0.113.1', port: 1000 + services.length, trafficPolicy: 'local' }]
  })
  // Ports of the node that are those of external addresses, which may be the node's, too.
  const taken: Service[] = services.map(({ protocol }, number) => ({
    ...randomService(random, 100 + number),
    ...{ name: `taken ${number}`, protocol, frontends: [{ kind: 'node', port: 1000 + number }] }
  }))
  const settings: LayoutSettings = {
    ...PLAIN,
    ...{
      ownAddresses,
      localSources: random.chance(20) ? undefined : random.pick(SOURCES),
      masquerade: random.pick(['never', 'nonLocal', 'all'])
    },
    serviceRanges: random.chance(50) ? undefined : requireRanges('', ['10.96.0.0/16', 'fd00:96::/112']),
    loopbackNodePorts: random.chance(50)
  }
  const own = ownAddresses === 'serve' ? ['203.0.113.1', '203.0.113.2'] : []
  const addresses = [NODE.ip, NODE.ip6, OTHER.ip, OTHER.ip6, ...own]
  const node = random.chance(50) ? ({ ip: 'all', ip6: 'all' } as const) : { ip: [NODE.ip, ...own], ip6: [NODE.ip6] }
  return { services: [...services, ...taken], settings, node, addresses }
}

/** Packets to all that there is, and to what there is not, from everywhere. */
function packetsTo(services: readonly Service[]): readonly Packet[] {
  const targets = services.flatMap(({ protocol, frontends }) =>
    frontends.flatMap((frontend) => {
      const places =
        frontend.kind === 'node' ? [NODE.ip, NODE.ip6, OTHER.ip, '127.0.0.1', '203.0.113.1', '203.0.113.9'] : [frontend.address]
      return places.map((place) => ({ protocol, destination: canonicalAddress(place), port: frontend.port }))
    })
  )
  const others = targets.map((target) => ({ ...target, port: target.port + 7 }))
  const unknown = ['10.96.200.1', 'fd00:96::fff'].map((destination) => ({ protocol: 'tcp' as const, destination, port: 80 }))
  return [...targets, ...others, ...unknown].flatMap((target) => {
    const isV6 = target.destination.includes(':')
    const family = isV6 ? ('ip6' as const) : ('ip' as const)
    const from = (source: string, link?: string): Packet => ({ ...target, family, source, ...(link === undefined ? {} : { link }) })
    const outside = isV6 ? ['fd00:77::1'] : ['198.51.100.1', '198.51.100.7', '192.0.2.130', '192.0.2.120', '192.55.0.1']
    const pods = isV6 ? ['fd00:1::1', 'fd00:1::5'] : ['10.1.0.1', '10.1.0.5', '10.1.7.7']
    const all = [...outside.map((source) => from(source, 'eth0')), ...pods.map((source) => from(source, 'cni0')), from(NODE[family])]
    // From elsewhere nobody gets to a loopback address.
    return target.destination === '127.0.0.1' ? [from('127.0.0.1')] : all
  })
}

const sorted = (ends: readonly End[]): string[] => [...new Set(ends.map((end) => JSON.stringify(end)))].sort()

type Without = (chain: ChainRules, rule: IptablesRule) => boolean

/** Packets that do not meet what the model says, and all that packets meet. */
function compared(seed: number, without?: Without): { readonly wrong: readonly string[]; readonly met: ReadonlySet<string> } {
  const { addresses, ...layout } = layoutOf(new Random(seed))
  const chainsIn = (family: 'ip' | 'ip6'): readonly ChainRules[] =>
    chainsOf(family, layout).map((chain) => ({ ...chain, rules: chain.rules.filter((rule) => without?.(chain, rule) !== true) }))
  const chains = { ip: chainsIn('ip'), ip6: chainsIn('ip6') }
  const model = new Model(layout, addresses)
  const wrong: string[] = []
  const met = new Set<string>()
  for (const packet of packetsTo(layout.services)) {
    const ends = endsOf(chains[packet.family], packet, { addresses })
    const [is, should] = [sorted(ends), sorted(model.ends(packet))]
    if (is.join() !== should.join()) wrong.push(`${JSON.stringify(packet)}: ${is.join()} instead of ${should.join()}`)
    for (const { to } of ends) met.add(to.includes(' ') ? 'endpoint' : to)
  }
  return { wrong, met }
}

const seeds = Array.from({ length: 30 }, (_, seed) => seed)

it.each(seeds)('packets meet what the model says: seed %i', (seed) => {
  expect(compared(seed).wrong).toEqual([])
})

it('packets meet everything that there is', () => {
  const met = seeds.slice(0, 10).flatMap((seed) => [...compared(seed).met])
  expect(new Set(met)).toEqual(new Set(['endpoint', 'refused', 'dropped', 'untouched']))
})

const jumpsTo = ({ target }: IptablesRule, chain: string): boolean =>
  typeof target === 'object' && 'jump' in target && target.jump === chain
const says = ({ matches = [] }: IptablesRule, text: string): boolean =>
  matches.some((match) => match.match === 'comment' && 'comment' in match && match.comment.includes(text))

it.each<[string, Without]>([
  ['masquerading', ({ chain }) => chain === 'KUBE-POSTROUTING'],
  ['hairpin', ({ chain }, rule) => chain.startsWith('KUBE-SEP-') && jumpsTo(rule, 'KUBE-MARK-MASQ')],
  ['marking of clients at cluster addresses', ({ chain }, rule) => chain.startsWith('KUBE-SVC-') && says(rule, 'cluster IP')],
  ['marking of clients of several prefixes', ({ chain }) => chain === 'KUBE-MARK-NONLOCAL'],
  ['the short cut of pods', (_, rule) => says(rule, 'pod traffic')],
  ['the short cut of this node', (_, rule) => says(rule, 'route LOCAL')],
  ['other ports of cluster addresses', ({ chain }) => chain === 'KUBE-CLUSTER-IPS'],
  ['ranges of services', (_, rule) => says(rule, 'no service has this address')],
  ['clients that are not taken', ({ chain }) => chain === 'KUBE-PROXY-FIREWALL'],
  ['clients that are not taken, without endpoints', ({ table, chain }) => table === 'filter' && chain.startsWith('KUBE-FW-')],
  ['clients that are denied', (_, rule) => says(rule, 'denied')],
  ['refusals of external addresses', ({ chain }) => chain === 'KUBE-EXTERNAL-SERVICES'],
  ['refusals of this node', ({ chain }, rule) => chain === 'OUTPUT' && jumpsTo(rule, 'KUBE-EXTERNAL-SERVICES')],
  ['what keeps addresses of services from ports of this node', ({ table }, { target }) => table === 'nat' && target === 'ACCEPT'],
  ['clients inside, where all endpoints are for others', (_, rule) => says(rule, 'for clients inside')]
])('are noticed if they are missing: %s', (_, without) => {
  expect(seeds.some((seed) => compared(seed, without).wrong.length > 0)).toBe(true)
})
