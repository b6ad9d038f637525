// What rows are made of: addresses that no other service has, services in both families, probes.
import { addressOf, nodeAddress, SERVER_PORT, type Both, type Family } from '../network.js'
import { isLocal } from '../expected.js'
import { hostOf, type Client, type Target } from '../types.js'
import type { Protocol } from '../../../../src/core/protocols.js'
import type { Endpoint, Frontend, FrontendKind, Service, SourceRanges, TrafficPolicy } from '../../../../src/plane/model.js'

export const families = ['ip', 'ip6'] as const satisfies readonly Family[]
export const protocols = ['tcp', 'udp', 'sctp'] as const satisfies readonly Protocol[]
export const kinds = ['cluster', 'external', 'loadBalancer', 'node'] as const satisfies readonly FrontendKind[]
export const policies = ['cluster', 'local'] as const satisfies readonly TrafficPolicy[]

/** Port of all frontends that have an address. */
export const SERVICE_PORT = 80
/** A port that no frontend has. */
export const UNUSED_PORT = 81

/** Where the n-th service is reached. */
export interface Site {
  readonly addresses: Readonly<Record<Exclude<FrontendKind, 'node'>, Both<string>>>
  readonly nodePort: number
}

/** Gives each service a site of its own. */
export type Sites = () => Site

/** The n-th site has the same addresses each time. */
export function makeSites(): Sites {
  let last = 0
  return () => {
    last += 1
    const [high, low, hex] = [1 + (last >> 8), last & 255, last.toString(16)]
    return {
      addresses: {
        cluster: { ip: `10.96.${high}.${low}`, ip6: `fd00:10:96::${hex}` },
        external: { ip: `198.18.${high}.${low}`, ip6: `fd00:198:18::${hex}` },
        loadBalancer: { ip: `198.19.${high}.${low}`, ip6: `fd00:198:19::${hex}` }
      },
      nodePort: 30_000 + last
    }
  }
}

/** Frontends of one kind, in both families. */
export function frontendsOf(
  kind: FrontendKind,
  { addresses, nodePort }: Site,
  trafficPolicy: TrafficPolicy,
  ranges?: Both<SourceRanges>
): Frontend[] {
  if (kind === 'node') return [{ kind, port: nodePort, trafficPolicy }]
  return families.map((family) => ({
    kind,
    address: addresses[kind][family],
    port: SERVICE_PORT,
    trafficPolicy,
    ...(ranges === undefined ? {} : { sourceRanges: ranges[family] })
  }))
}

/** Endpoints in both families. */
export const endpointsOf = (targets: readonly Target[]): Endpoint[] =>
  families.flatMap((family) =>
    targets.map(({ server, ...rest }) => ({
      address: addressOf[server][family],
      port: SERVER_PORT,
      local: isLocal({ server }),
      ...rest
    }))
  )

/** A service whose name says what it is for. */
export const serviceOf = (name: string, protocol: Protocol, rest: Omit<Service, 'name' | 'protocol'>): Service => ({
  name: `matrix/${name.replaceAll(/[^a-z0-9]+/g, '-')}:${protocol}`,
  protocol,
  ...rest
})

/** The address and port at which a kind of frontend is asked; node ports at the primary address. */
export const reachOf = (kind: FrontendKind, { addresses, nodePort }: Site, family: Family): { address: string; port: number } =>
  kind === 'node' ? { address: nodeAddress.primary[family], port: nodePort } : { address: addresses[kind][family], port: SERVICE_PORT }

/** The address from which a client asks. */
export function sourceOf(client: Client, family: Family): string {
  const host = hostOf[client]
  return host === 'node' ? nodeAddress.other[family] : addressOf[host][family]
}
