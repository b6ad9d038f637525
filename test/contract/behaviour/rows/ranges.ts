import { expectedOf } from '../expected.js'
import { addressOf, localSources, moreClients, nodeAddress, type Both, type Family } from '../network.js'
import type { Client, Expected, Row, Target } from '../types.js'
import { endpointsOf, families, frontendsOf, policies, protocols, reachOf, serviceOf, sourceOf, type Sites } from './build.js'
import type { Protocol } from '../../../../src/core/protocols.js'
import type { SourceRanges } from '../../../../src/plane/model.js'

export const chapter = 'Source ranges'

/** Who asks, from which address. */
const askers = {
  outside: { client: 'outside', address: addressOf.outside },
  'outside, another address': { client: 'outside', address: { ip: moreClients.ip[0]!, ip6: moreClients.ip6[0]! } },
  node: { client: 'node', address: nodeAddress.other },
  'pod here': { client: 'pod here', address: addressOf['pod-b'] },
  'pod elsewhere': { client: 'pod elsewhere', address: addressOf['far-d'] }
} as const satisfies Record<string, { readonly client: Client; readonly address: Both<string> }>

type Asker = keyof typeof askers

/** Prefixes: of the first address outside and its neighbours, of the second, of both. */
const first: Both<string> = { ip: '192.168.77.0/28', ip6: 'fd00:77::/124' }
const second: Both<string> = { ip: '192.168.77.96/28', ip6: 'fd00:77::100/124' }
const outside: Both<string> = { ip: '192.168.77.0/24', ip6: 'fd00:77::/64' }
const everybody: Both<string> = { ip: '0.0.0.0/0', ip6: '::/0' }

/** Ranges, and who is served under them. */
interface Ranges {
  readonly name: string
  readonly allow?: readonly Both<string>[]
  readonly deny?: readonly Both<string>[]
  readonly served: readonly Asker[]
}

const everyone = Object.keys(askers) as Asker[]
const local: readonly Asker[] = ['pod here', 'pod elsewhere']

const cases: readonly Ranges[] = [
  { name: 'allow one prefix', allow: [first], served: ['outside'] },
  { name: 'allow one address', allow: [addressOf.outside], served: ['outside'] },
  { name: 'allow two prefixes', allow: [first, localSources], served: ['outside', ...local] },
  { name: 'allow everybody', allow: [everybody], served: everyone },
  { name: 'deny one prefix', deny: [second], served: ['outside', 'node', ...local] },
  { name: 'allow a prefix, deny a part of it', allow: [outside], deny: [second], served: ['outside'] },
  { name: 'deny everybody', deny: [everybody], served: [] }
]

const rangesOf = ({ allow, deny }: Ranges, family: Family): SourceRanges => ({
  ...(allow === undefined ? {} : { allow: allow.map((range) => range[family]) }),
  ...(deny === undefined ? {} : { deny: deny.map((range) => range[family]) })
})

const endpointSets: readonly { readonly name: string; readonly targets: readonly Target[] }[] = [
  { name: 'ready here and elsewhere', targets: [{ server: 'pod-a' }, { server: 'far-c' }] },
  { name: 'none', targets: [] }
]

/** The case with all protocols, and without endpoints: whoever is not served gets no answer that says so. */
const tried = cases.flatMap((ranges, index) =>
  (index === 0 ? protocols : (['tcp'] as const)).flatMap((protocol: Protocol) =>
    policies.flatMap((policy) => (index === 0 ? endpointSets : endpointSets.slice(0, 1)).map((set) => ({ ranges, protocol, policy, set })))
  )
)

/** Ranges × asker × policy × family. */
export function rangeRows(sites: Sites): Row[] {
  return tried.flatMap(({ ranges, protocol, policy, set: { name, targets } }) => {
    const site = sites()
    const both = { ip: rangesOf(ranges, 'ip'), ip6: rangesOf(ranges, 'ip6') }
    const frontends = frontendsOf('loadBalancer', site, policy, both)
    const service = serviceOf(`ranges ${ranges.name} ${policy} ${name}`, protocol, { frontends, endpoints: endpointsOf(targets) })
    return everyone.flatMap((asker) => {
      const { client, address } = askers[asker]
      const asked = { kind: 'loadBalancer', policy, endpoints: targets, client, masquerade: 'nonLocal' } as const
      const expected: Expected = ranges.served.includes(asker) ? expectedOf(asked) : { refused: 'silence' }
      return families.map((family): Row => {
        const about = { Ranges: ranges.name, Endpoints: name, Policy: policy, Client: asker }
        return {
          id: ['ranges', ranges.name, policy, name, asker, protocol, family].join('/'),
          ...{ chapter, about, settings: 'usual', client, protocol, family, kind: 'loadBalancer', policy, services: [service], expected },
          ...{ ...reachOf('loadBalancer', site, family), sources: [address[family]], endpoints: targets }
        }
      })
    })
  })
}

/** A service that takes some clients only at its load balancer's address; its other frontends take all. */
export function otherFrontendRows(sites: Sites): Row[] {
  const site = sites()
  const targets: readonly Target[] = [{ server: 'pod-a' }]
  const ranges = { ip: { allow: [second.ip] }, ip6: { allow: [second.ip6] } }
  const frontends = (['cluster', 'external', 'node'] as const).flatMap((kind) => frontendsOf(kind, site, 'cluster'))
  const service = serviceOf('ranges at one frontend', 'tcp', {
    frontends: [...frontends, ...frontendsOf('loadBalancer', site, 'cluster', ranges)],
    endpoints: endpointsOf(targets)
  })
  return (['cluster', 'external', 'loadBalancer', 'node'] as const).flatMap((kind) =>
    families.map((family): Row => {
      const expected: Expected = kind === 'loadBalancer' ? { refused: 'silence' } : { answers: { 'pod-a': 'node' } }
      const about = {
        Ranges: `allow another prefix, asked at frontend ${kind}`,
        Endpoints: 'ready here',
        Policy: 'cluster',
        Client: 'outside'
      }
      return {
        id: ['ranges', 'at one frontend', kind, 'outside', 'tcp', family].join('/'),
        ...{ chapter, about, settings: 'usual', client: 'outside', protocol: 'tcp', family, kind, policy: 'cluster', services: [service] },
        ...{ ...reachOf(kind, site, family), sources: [sourceOf('outside', family)], endpoints: targets, expected }
      }
    })
  )
}
