import { expectedOf } from '../expected.js'
import type { Client, Expected, Row, Server, Target } from '../types.js'
import {
  endpointsOf,
  families,
  frontendsOf,
  kinds,
  protocols,
  reachOf,
  serviceOf,
  SERVICE_PORT,
  sourceOf,
  UNUSED_PORT,
  type Sites
} from './build.js'
import type { Protocol } from '../../../../src/core/protocols.js'
import type { FrontendKind, Service, TrafficPolicy } from '../../../../src/plane/model.js'

export const portsChapter = 'Ports and protocols that a service does not have'
export const mixedChapter = 'Several frontends, services and families'

const here: readonly Target[] = [{ server: 'pod-a' }]
const both: readonly Target[] = [{ server: 'pod-a' }, { server: 'far-c' }]
const everybody: readonly Client[] = ['outside', 'node', 'pod here', 'pod elsewhere']

/** What rows of a chapter share. */
type Common = Pick<Row, 'chapter' | 'about' | 'client' | 'protocol' | 'kind' | 'policy' | 'services' | 'expected'>

/** A row per family. */
export function bothFamilies(
  id: readonly string[],
  common: Common,
  endpoints: readonly Target[],
  reach: (family: Row['family']) => Pick<Row, 'address' | 'port'>
): Row[] {
  const { client, protocol } = common
  return families.map((family) => ({
    id: [...id, client, protocol, family].join('/'),
    ...{ ...common, settings: 'usual', family, ...reach(family), sources: [sourceOf(client, family)], endpoints }
  }))
}

/** Cluster addresses belong to services: what nobody serves there is refused. Addresses from outside do not: it is left alone. */
export function unusedPortRows(sites: Sites): Row[] {
  const untouched: Expected = { answers: { uplink: 'client' } }
  return (['cluster', 'external', 'loadBalancer'] as const).flatMap((kind) => {
    const [site, empty] = [sites(), sites()]
    const service = serviceOf(`unused ${kind}`, 'tcp', { frontends: frontendsOf(kind, site, 'cluster'), endpoints: endpointsOf(here) })
    const without = serviceOf(`unused ${kind} without endpoints`, 'tcp', { frontends: frontendsOf(kind, empty, 'cluster'), endpoints: [] })
    const expected: Expected = kind === 'cluster' ? { refused: 'icmp' } : untouched
    return everybody.flatMap((client) =>
      protocols.flatMap((protocol) => {
        const common = { chapter: portsChapter, client, protocol, kind, policy: 'cluster', expected } as const
        const about = (what: string): Record<string, string> => ({ Frontend: kind, Asked: what, Client: client })
        const reach =
          (port: number, at = site) =>
          (family: Row['family']) => ({ address: reachOf(kind, at, family).address, port })
        const otherPort = { ...common, about: about('another port'), services: [service] }
        const rows = bothFamilies(['unused', kind, 'port'], otherPort, here, reach(UNUSED_PORT))
        if (protocol === 'tcp') {
          const emptyToo = { ...common, about: about('another port, service without endpoints'), services: [without] }
          return [...rows, ...bothFamilies(['unused', kind, 'port without endpoints'], emptyToo, [], reach(UNUSED_PORT, empty))]
        }
        const otherProtocol = { ...common, about: about('the port with another protocol'), services: [service] }
        return [...rows, ...bothFamilies(['unused', kind, 'protocol'], otherProtocol, here, reach(SERVICE_PORT))]
      })
    )
  })
}

/** One service with a frontend of each kind, whose policies differ. */
function mixedPolicyRows(sites: Sites): Row[] {
  const targets: readonly Target[] = both
  const policyOf: Readonly<Record<'cluster frontend local' | 'cluster frontend cluster', Readonly<Record<FrontendKind, TrafficPolicy>>>> = {
    'cluster frontend local': { cluster: 'local', external: 'cluster', loadBalancer: 'cluster', node: 'cluster' },
    'cluster frontend cluster': { cluster: 'cluster', external: 'local', loadBalancer: 'local', node: 'local' }
  }
  return Object.entries(policyOf).flatMap(([name, policiesOf]) => {
    const site = sites()
    const frontends = kinds.flatMap((kind) => frontendsOf(kind, site, policiesOf[kind]))
    const service = serviceOf(`mixed ${name}`, 'tcp', { frontends, endpoints: endpointsOf(targets) })
    return kinds.flatMap((kind) =>
      everybody.flatMap((client) => {
        const policy = policiesOf[kind]
        const expected = expectedOf({ kind, policy, endpoints: targets, client, masquerade: 'nonLocal' })
        const about = { What: `all kinds in one service: ${name}, the others not`, Asked: `${kind}, policy ${policy}`, Client: client }
        const common = { chapter: mixedChapter, about, client, protocol: 'tcp', kind, policy, services: [service], expected } as const
        return bothFamilies(['mixed', 'policies', name, kind], common, targets, (family) => reachOf(kind, site, family))
      })
    )
  })
}

/** The same addresses and port for three protocols, each of which goes elsewhere. */
function protocolRows(sites: Sites): Row[] {
  const site = sites()
  const servers: Readonly<Record<Protocol, Exclude<Server, 'uplink'>>> = { tcp: 'pod-a', udp: 'pod-b', sctp: 'far-c' }
  const services = protocols.map((protocol) =>
    serviceOf('mixed protocols', protocol, {
      frontends: kinds.flatMap((kind) => frontendsOf(kind, site, 'cluster')),
      endpoints: endpointsOf([{ server: servers[protocol] }])
    })
  )
  return kinds.flatMap((kind) =>
    protocols.flatMap((protocol) => {
      const expected: Expected = { answers: { [servers[protocol]]: 'node' } }
      const about = { What: 'three services share addresses and port', Asked: `${kind}, ${protocol}`, Client: 'outside' }
      const common = { chapter: mixedChapter, about, client: 'outside', protocol, kind, policy: 'cluster', services, expected } as const
      return bothFamilies(['mixed', 'protocols', kind], common, [{ server: servers[protocol] }], (family) => reachOf(kind, site, family))
    })
  )
}

/** Two services at two ports of one address. */
function portRows(sites: Sites): Row[] {
  const site = sites()
  const ports: Readonly<Record<number, Exclude<Server, 'uplink'>>> = { [SERVICE_PORT]: 'pod-a', [UNUSED_PORT]: 'far-c' }
  const services = Object.entries(ports).map(([port, server]): Service =>
    serviceOf(`mixed port ${port}`, 'tcp', {
      frontends: frontendsOf('cluster', site, 'cluster').map((frontend) => ({ ...frontend, port: Number(port) })),
      endpoints: endpointsOf([{ server }])
    })
  )
  return Object.entries(ports).flatMap(([port, server]) => {
    const about = { What: 'two services share an address', Asked: `cluster, port ${port}`, Client: 'pod here' }
    const expected: Expected = { answers: { [server]: 'client' } }
    const common = {
      chapter: mixedChapter,
      about,
      client: 'pod here',
      protocol: 'tcp',
      kind: 'cluster',
      policy: 'cluster',
      services,
      expected
    } as const
    return bothFamilies(['mixed', 'ports', port], common, [{ server }], (family) => ({
      address: site.addresses.cluster[family],
      port: Number(port)
    }))
  })
}

/** Frontends of both families, endpoints of one. */
function familyRows(sites: Sites): Row[] {
  return families.flatMap((only) => {
    const other = only === 'ip' ? 'IPv6' : 'IPv4'
    const site = sites()
    const endpoints = endpointsOf(here).filter(({ address }) => address.includes(':') === (only === 'ip6'))
    const frontends = kinds.flatMap((kind) => frontendsOf(kind, site, 'cluster'))
    const services = [serviceOf(`mixed families ${only}`, 'tcp', { frontends, endpoints })]
    return kinds.flatMap((kind) => {
      const common = { chapter: mixedChapter, client: 'outside', protocol: 'tcp', kind, policy: 'cluster', services } as const
      const answered: Expected = { answers: { 'pod-a': 'node' } }
      const asked = (family: Row['family']): string => `${kind}, ${family === 'ip' ? 'IPv4' : 'IPv6'}`
      return families.flatMap((family) => {
        const expected: Expected = family === only ? answered : { refused: 'icmp' }
        const about = { What: `no endpoint of ${other}`, Asked: asked(family), Client: 'outside' }
        const reach = (wanted: Row['family']): Pick<Row, 'address' | 'port'> => reachOf(kind, site, wanted)
        return bothFamilies(['mixed', 'families', only, kind], { ...common, about, expected }, family === only ? here : [], reach).filter(
          (row) => row.family === family
        )
      })
    })
  })
}

export const mixedRows = (sites: Sites): Row[] => [
  ...mixedPolicyRows(sites),
  ...protocolRows(sites),
  ...portRows(sites),
  ...familyRows(sites)
]
