// The rules that kube-proxy's nftables mode (Kubernetes 1.37, pkg/proxy/nftables/proxier.go) writes for services: its tables, sets, maps and chains,
// in nft's language. A reference to try the matrix on, beside what a real kube-proxy was seen to write.
import { categorize } from './selection.js'
import { localSources, nodeAddress, type Family } from '../network.js'
import type { Settings } from '../types.js'
import type { Endpoint, Frontend, LoadBalancerFrontend, Service, TrafficPolicy } from '../../../../src/plane/model.js'

/** What can be left out, to see whether rows notice. */
export type Part = 'hairpin' | 'source ranges' | 'unused ports' | 'masquerade' | 'pods to all endpoints' | 'node to all endpoints'

/** What is written. */
export interface Reference {
  readonly services: readonly Service[]
  readonly settings: Settings
  readonly without?: Part
}

/** kube-proxy's bit of the packet mark. */
const MARK = '0x4000'

/** What services put into the table of a family. */
class Table {
  readonly hairpin = new Set<string>()
  readonly clusterAddresses = new Set<string>()
  readonly verdicts = {
    services: [] as string[],
    nodePorts: [] as string[],
    noServices: [] as string[],
    noNodePorts: [] as string[],
    firewall: [] as string[]
  }
  readonly sets: string[] = []
  readonly chains: string[] = []
  readonly family: Family
  readonly reference: Reference

  constructor(family: Family, reference: Reference) {
    this.family = family
    this.reference = reference
  }

  has(part: Part): boolean {
    return this.reference.without !== part
  }
}

const isOfFamily = (family: Family, address: string): boolean => address.includes(':') === (family === 'ip6')
/** `namespace/service/protocol/port`. kube-proxy puts a hash before it. */
const chainName = ({ name, protocol }: Service): string => name.replace(/:(?=[^:]*$)/, `/${protocol}/`)
const targetOf = ({ address, port }: Endpoint): string => `${address} . ${port}`
const bracketed = ({ address, port }: Endpoint): string => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)

/** Balances over endpoints, each of which remembers its clients where there is affinity. */
function addChoice(table: Table, service: Service, chain: string, endpoints: readonly Endpoint[]): void {
  if (endpoints.length === 0) return
  const { family } = table
  const l4proto = `meta l4proto ${service.protocol}`
  if (service.affinity === undefined) {
    const slots = endpoints.map((endpoint, slot) => `${slot} : ${targetOf(endpoint)}`).join(', ')
    const [first] = endpoints
    const to =
      endpoints.length === 1 ? `dnat to ${bracketed(first!)}` : `dnat ${family} to numgen random mod ${endpoints.length} map { ${slots} }`
    table.chains.push(`chain ${chain} { ${l4proto} ${to}; }`)
    return
  }
  const named = (kind: string, endpoint: Endpoint): string =>
    `${kind}-${chainName(service)}__${endpoint.address.replaceAll(':', '.')}/${endpoint.port}`
  const known = endpoints.map((endpoint) => `${family} saddr @${named('affinity', endpoint)} goto ${named('endpoint', endpoint)};`)
  const slots = endpoints.map((endpoint, slot) => `${slot} : goto ${named('endpoint', endpoint)}`).join(', ')
  table.chains.push(`chain ${chain} { ${known.join(' ')} numgen random mod ${endpoints.length} vmap { ${slots} }; }`)
  addEndpoints(table, service, endpoints, named)
}

/** Chains and sets of endpoints with affinity, once where both choices have them. */
function addEndpoints(
  table: Table,
  service: Service,
  endpoints: readonly Endpoint[],
  named: (kind: string, endpoint: Endpoint) => string
): void {
  const timeout = `${service.affinity!.timeoutSeconds}s`
  for (const endpoint of endpoints) {
    const set = `set ${named('affinity', endpoint)} { type ${addressType(table.family)}; flags dynamic, timeout; timeout ${timeout}; }`
    if (table.sets.includes(set)) continue
    const learn = `update @${named('affinity', endpoint)} { ${table.family} saddr };`
    table.sets.push(set)
    // Before the chains that go there.
    table.chains.unshift(
      `chain ${named('endpoint', endpoint)} { ${learn} meta l4proto ${service.protocol} dnat to ${bracketed(endpoint)}; }`
    )
  }
}

const addressType = (family: Family): string => (family === 'ip' ? 'ipv4_addr' : 'ipv6_addr')

const isExternal = ({ kind }: Frontend): boolean => kind !== 'cluster'

/** kube-proxy has one policy for all external addresses of a service. */
const hasOtherPolicy = ({ frontends }: Service, policy: TrafficPolicy): boolean =>
  frontends.some((frontend) => isExternal(frontend) && (frontend.trafficPolicy ?? 'cluster') !== policy)

/** What a connection to an external address meets first. */
function addExternal(table: Table, service: Service, policy: TrafficPolicy, hasLocal: boolean, hasCluster: boolean): string {
  const name = `external-${chainName(service)}${hasOtherPolicy(service, policy) ? `/${policy}` : ''}`
  if (table.chains.some((chain) => chain.startsWith(`chain ${name} `))) return name
  const mark = table.has('masquerade') ? `meta mark set meta mark or ${MARK};` : ''
  const toAll = hasCluster ? `goto service-${chainName(service)};` : ''
  if (policy === 'cluster') {
    table.chains.push(`chain ${name} { ${mark} ${toAll} }`)
    return name
  }
  const pods = table.has('pods to all endpoints') && hasCluster ? `${table.family} saddr ${localSources[table.family]} ${toAll}` : ''
  const ofNode = 'fib saddr type local'
  const node = table.has('node to all endpoints') && hasCluster ? `${mark === '' ? '' : `${ofNode} ${mark}`} ${ofNode} ${toAll}` : ''
  table.chains.push(`chain ${name} { ${pods} ${node} ${hasLocal ? `goto local-${chainName(service)};` : ''} }`)
  return name
}

/** Clients that an address does not take. kube-proxy has ranges to allow alone. */
function addFirewall(table: Table, service: Service, { address, port, sourceRanges }: LoadBalancerFrontend): void {
  if (sourceRanges?.allow === undefined || !table.has('source ranges')) return
  const name = `firewall-${chainName(service)}`
  if (!table.chains.some((chain) => chain.startsWith(`chain ${name} `)))
    table.chains.push(`chain ${name} { ${table.family} saddr != { ${sourceRanges.allow.join(', ')} } drop; }`)
  table.verdicts.firewall.push(`${address} . ${service.protocol} . ${port} : goto ${name}`)
}

function addFrontend(table: Table, service: Service, frontend: Frontend, endpoints: ReturnType<typeof categorize>): void {
  const { verdicts } = table
  const { protocol } = service
  const policy = frontend.trafficPolicy ?? 'cluster'
  const own = policy === 'local' ? endpoints.local : endpoints.cluster
  const isNode = frontend.kind === 'node'
  const key = isNode ? `${protocol} . ${frontend.port}` : `${frontend.address} . ${protocol} . ${frontend.port}`
  if (frontend.kind === 'cluster') table.clusterAddresses.add(frontend.address)
  if (frontend.kind === 'loadBalancer') addFirewall(table, service, frontend)
  if (own.length === 0)
    (isNode ? verdicts.noNodePorts : verdicts.noServices).push(`${key} : ${endpoints.any ? 'drop' : 'goto reject-chain'}`)
  if (!endpoints.any) return
  if (frontend.kind === 'cluster') {
    if (own.length > 0) verdicts.services.push(`${key} : goto ${policy === 'local' ? 'local' : 'service'}-${chainName(service)}`)
    return
  }
  const chain = addExternal(table, service, policy, endpoints.local.length > 0, endpoints.cluster.length > 0)
  ;(isNode ? verdicts.nodePorts : verdicts.services).push(`${key} : goto ${chain}`)
}

function addService(table: Table, service: Service): void {
  const { family } = table
  const own = service.endpoints.filter(({ address }) => isOfFamily(family, address))
  const endpoints = categorize(own.sort((first, second) => (bracketed(first) < bracketed(second) ? -1 : 1)))
  const frontends = service.frontends.filter((frontend) =>
    frontend.kind === 'node' ? (frontend.family ?? family) === family : isOfFamily(family, frontend.address)
  )
  const usesLocal = frontends.some(({ trafficPolicy }) => trafficPolicy === 'local')
  // External frontends of policy `local` use it for local clients.
  const usesCluster = frontends.some((frontend) => isExternal(frontend) || frontend.trafficPolicy !== 'local')
  if (usesCluster) addChoice(table, service, `service-${chainName(service)}`, endpoints.cluster)
  if (usesLocal) addChoice(table, service, `local-${chainName(service)}`, endpoints.local)
  for (const frontend of frontends) addFrontend(table, service, frontend, endpoints)
  if (!table.has('hairpin')) return
  const used = [...(usesCluster ? endpoints.cluster : []), ...(usesLocal ? endpoints.local : [])]
  for (const { address, port } of used.filter(({ local }) => local))
    table.hairpin.add(`${address} . ${address} . ${service.protocol} . ${port}`)
}

const elements = (all: Iterable<string>): string => {
  const text = [...all].join(', ')
  return text === '' ? '' : `elements = { ${text} };`
}

/** Which packets are for node ports. */
function nodePortMatch(family: Family, { nodeAddresses }: Settings): string {
  const loopback = family === 'ip' ? '127.0.0.0/8' : '::1'
  if (nodeAddresses === 'all') return `fib daddr type local ${family} daddr != ${loopback}`
  return `${family} daddr @nodeport-ips`
}

/** The addresses in set `nodeport-ips`; kube-proxy finds those that a list of prefixes selects. */
function nodePortAddresses(family: Family, { nodeAddresses }: Settings): string[] {
  if (nodeAddresses === 'all') return []
  return [nodeAddresses === 'primary' ? nodeAddress.primary[family] : nodeAddress.other[family]]
}

function masqueradeRule(family: Family, { masquerade }: Settings): string {
  if (masquerade === 'never') return ''
  const match = masquerade === 'all' ? '' : `${family} saddr != ${localSources[family]}`
  return `${family} daddr @cluster-ips ${match} meta mark set meta mark or ${MARK};`
}

/** What no service has in the ranges that kube-proxy learns from the API. */
function dropRule(family: Family, { serviceRanges }: Settings): string {
  const own = serviceRanges.filter((range) => isOfFamily(family, range))
  return own.map((range) => `${family} daddr ${range} drop;`).join(' ')
}

function tableText(table: Table): string {
  const { family, verdicts, reference } = table
  const type = addressType(family)
  const frontend = `${family} daddr . meta l4proto . th dport`
  const map = (name: string, key: string, all: readonly string[]): string => `  map ${name} { type ${key} : verdict; ${elements(all)} }`
  const nodePorts = nodePortMatch(family, reference.settings)
  return `table ${family} kube-proxy {
  set hairpin-connections { type ${type} . ${type} . inet_proto . inet_service; ${elements(table.hairpin)} }
  set cluster-ips { type ${type}; ${elements(table.clusterAddresses)} }
  set nodeport-ips { type ${type}; ${elements(nodePortAddresses(family, reference.settings))} }
${table.sets.map((set) => `  ${set}`).join('\n')}
  chain reject-chain { reject; }
${table.chains.map((chain) => `  ${chain}`).join('\n')}
${map('no-endpoint-services', `${type} . inet_proto . inet_service`, verdicts.noServices)}
${map('no-endpoint-nodeports', 'inet_proto . inet_service', verdicts.noNodePorts)}
${map('firewall-ips', `${type} . inet_proto . inet_service`, verdicts.firewall)}
${map('service-ips', `${type} . inet_proto . inet_service`, verdicts.services)}
${map('service-nodeports', 'inet_proto . inet_service', verdicts.nodePorts)}
  chain nodeport-endpoints-check { ${nodePorts} meta l4proto . th dport vmap @no-endpoint-nodeports; }
  chain service-endpoints-check { ${frontend} vmap @no-endpoint-services; }
  chain firewall-check { ${frontend} vmap @firewall-ips; }
  chain cluster-ips-check {
    ${table.has('unused ports') ? `${family} daddr @cluster-ips reject;` : ''}
    ${dropRule(family, reference.settings)}
  }
  chain masquerading {
    meta mark and ${MARK} != 0 meta mark set meta mark xor ${MARK} masquerade fully-random;
    ct status dnat ${family} saddr . ${family} daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random;
  }
  chain services {
    ${masqueradeRule(family, reference.settings)}
    ${frontend} vmap @service-ips;
    ${nodePorts} meta l4proto . th dport vmap @service-nodeports;
  }
  chain filter-prerouting-pre-dnat { type filter hook prerouting priority -110; ct state new jump firewall-check; }
  chain filter-output-pre-dnat { type filter hook output priority -110; ct state new jump firewall-check; }
  chain filter-input {
    type filter hook input priority 0;
    ct state new jump nodeport-endpoints-check;
    ct state new jump service-endpoints-check;
  }
  chain filter-forward { type filter hook forward priority 0; ct state new jump service-endpoints-check; ct state new jump cluster-ips-check; }
  chain filter-output { type filter hook output priority 0; ct state new jump service-endpoints-check; ct state new jump cluster-ips-check; }
  chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
}
`
}

/** Both tables, for `nft -f`. */
export function referenceRules(reference: Reference): string {
  return (['ip', 'ip6'] as const)
    .map((family) => {
      const table = new Table(family, reference)
      for (const service of reference.services) addService(table, service)
      return tableText(table)
    })
    .join('')
}
