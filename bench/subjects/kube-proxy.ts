// The ruleset of kube-proxy's nftables mode (Kubernetes 1.33 and later, pkg/proxy/nftables/proxier.go): every base chain with its checks, one verdict map of all service addresses, and a
// chain with an anonymous map for each service.
import type { Netplane } from '../frame/netplane.js'
import type { Bench } from '../frame/bench.js'
import { inFreshNamespace } from '../frame/namespaces.js'
import { output } from '../frame/process.js'
import type { Place } from '../frame/row.js'
import { localPrefix, nodeAddress } from '../frame/traffic.js'
import { endpointPort, mixedServices, servicePort, type MixedOptions, type MixedService } from './mixed-services.js'

/** What there is to load. */
export interface KubeProxyOptions extends MixedOptions {
  readonly protocol: 'tcp' | 'udp'
}

/** Its name in the table. */
export const kubeProxyPeer = "kube-proxy's layout"

/** kube-proxy's bit of the packet mark. */
const markBit = 0x4000
/** Services a transaction: enough that its fixed cost does not show, few enough that the kernel's walks over what a transaction holds stay short. */
const chunk = 500

/** As kube-proxy names them: hash, namespace, service, protocol, port. */
const chainName = (index: number, protocol: string): string => `service-ABCDEFGH-default/service-${index}/${protocol}/http`

const serviceText = (service: MixedService, index: number, protocol: string): string => {
  const targets = service.endpoints.map((address, slot) => `${slot} : ${address} . ${endpointPort}`).join(', ')
  return `  chain ${chainName(index, protocol)} { meta l4proto ${protocol} dnat ip to numgen random mod ${service.endpoints.length} map { ${targets} }; }`
}

/** The whole table in nft's language. */
export function kubeProxyTable(options: KubeProxyOptions): string {
  const { protocol } = options
  const services = mixedServices(options)
  const elements = services.map(({ address }, index) => `${address} . ${protocol} . ${servicePort} : goto ${chainName(index, protocol)}`)
  const frontend = 'type ipv4_addr . inet_proto . inet_service : verdict;'
  const endpointsCheck = 'ct state new jump service-endpoints-check;'
  return `table ip kube-proxy {
  set cluster-ips { type ipv4_addr; elements = { ${services.map(({ address }) => address).join(', ')} }; }
  set nodeport-ips { type ipv4_addr; elements = { ${nodeAddress} }; }
  set hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }
  map firewall-ips { ${frontend} }
  map no-endpoint-services { ${frontend} }
  map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
  map service-nodeports { type inet_proto . inet_service : verdict; }
${services.map((service, index) => serviceText(service, index, protocol)).join('\n')}
  map service-ips { ${frontend} elements = { ${elements.join(',\n')} }; }
  chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
  chain nodeport-endpoints-check { ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }
  chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
  chain cluster-ips-check { ip daddr @cluster-ips reject; }
  chain masquerading {
    meta mark & ${markBit} != 0 meta mark set meta mark ^ ${markBit} masquerade fully-random;
    ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random;
  }
  chain services {
    ip daddr @cluster-ips ip saddr != ${localPrefix} meta mark set meta mark | ${markBit};
    ip daddr . meta l4proto . th dport vmap @service-ips;
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports;
  }
  chain filter-prerouting-pre-dnat { type filter hook prerouting priority -110; ct state new jump firewall-check; }
  chain filter-output-pre-dnat { type filter hook output priority -110; ct state new jump firewall-check; }
  chain filter-input { type filter hook input priority 0; ct state new jump nodeport-endpoints-check; ${endpointsCheck} }
  chain filter-forward { type filter hook forward priority 0; ${endpointsCheck} ct state new jump cluster-ips-check; }
  chain filter-output { type filter hook output priority 0; ${endpointsCheck} ct state new jump cluster-ips-check; }
  chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
}
`
}

type Client = Awaited<ReturnType<Netplane['Nftables']['open']>>

const at = { family: 'ip', table: 'kube-proxy' } as const
const serviceMap = { ...at, name: 'service-ips', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: 'verdict' } as const
const clusterSet = { ...at, name: 'cluster-ips', key: 'ipv4_addr' } as const

/** An anonymous map, as `nft` declares it. */
const mapOf = (size: number) =>
  ({ ...at, key: 'host_integer32', data: ['ipv4_addr', 'inet_service'], flags: ['anonymous', 'constant'], size }) as const
/** Ids of anonymous maps in a transaction: beyond those that the library gives. */
const mapIds = 1_000_000

async function addServices(
  nft: Client,
  netplane: Netplane,
  services: readonly MixedService[],
  from: number,
  protocol: 'tcp' | 'udp'
): Promise<void> {
  const { dnat, meta, numgen, rule } = netplane
  const tx = nft.transaction()
  for (const [offset, { endpoints }] of services.entries()) {
    const chain = chainName(from + offset, protocol)
    // Anonymous maps with names of their own: for `__map%d` the kernel reads the numbers in the names of all sets of the table, twice as long as all the rest.
    const map = { ...mapOf(endpoints.length), name: `__map${from + offset}`, id: mapIds + offset }
    const data = endpoints.map((address, slot) => ({ key: slot, data: [address, endpointPort] }))
    tx.add.set(map)
    tx.add.elements(map, data)
    const target = numgen.random(endpoints.length).map(map)
    tx.add.chain({ ...at, name: chain })
    tx.add.rule({ ...at, chain, ...rule(meta.l4proto.eq(protocol), dnat(target)) })
  }
  const chainOf = (_: MixedService, offset: number): string => chainName(from + offset, protocol)
  tx.add.elements(
    clusterSet,
    services.map(({ address }) => ({ key: address }))
  )
  tx.add.elements(
    serviceMap,
    services.map((service, offset) => ({
      key: [service.address, protocol, servicePort],
      verdict: 'goto' as const,
      chain: chainOf(service, offset)
    }))
  )
  await tx.commit()
}

/**
 * Loads the table: with its first service by `nft`, the other services through the library, in parts. In one piece, `nft -f` takes a time that grows with the square of the services.
 */
export async function loadKubeProxy(bench: Bench, place: Place, options: KubeProxyOptions): Promise<void> {
  const script = bench.file('kube-proxy.nft', kubeProxyTable({ ...options, services: 1 }))
  await output('nsenter', [`--net=${place.path}`, 'nft', '-f', script])
  const nft = await bench.netplane.Nftables.open({ netns: place.path, deadlineMs: 120_000 })
  const services = mixedServices(options)
  try {
    for (let from = 1; from < services.length; from += chunk)
      await addServices(nft, bench.netplane, services.slice(from, from + chunk), from, options.protocol)
  } finally {
    await nft.close()
  }
}

/** Proves that what {@link loadKubeProxy} leaves is what `nft -f` makes of the text, but for the order of chains. */
export async function verifyKubeProxy(bench: Bench, options: KubeProxyOptions): Promise<void> {
  const list = async ({ path }: Place): Promise<string[]> =>
    (await output('nsenter', [`--net=${path}`, 'nft', 'list', 'ruleset'])).split('\n').sort()
  const ours = await inFreshNamespace(async (place) => {
    await loadKubeProxy(bench, place, options)
    return await list(place)
  })
  const theirs = await inFreshNamespace(async (place) => {
    await output('nsenter', [`--net=${place.path}`, 'nft', '-f', bench.file('verify.nft', kubeProxyTable(options))])
    return await list(place)
  })
  const at = ours.findIndex((line, index) => line !== theirs[index])
  if (at >= 0 || ours.length !== theirs.length) throw new Error(`kube-proxy's layout: ours '${ours[at] ?? ''}', nft '${theirs[at] ?? ''}'`)
}
