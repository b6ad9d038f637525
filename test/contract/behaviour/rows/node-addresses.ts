import { expectedOf } from '../expected.js'
import { nodeAddress, type Family } from '../network.js'
import type { Client, Expected, Refusal, Row, SettingsName, Target } from '../types.js'
import { endpointsOf, families, serviceOf, sourceOf, type Sites } from './build.js'
import type { Protocol } from '../../../../src/core/protocols.js'
import type { NodeFrontend, TrafficPolicy } from '../../../../src/plane/model.js'

export const chapter = 'Addresses of the node'

type NodeAddress = keyof typeof nodeAddress

const served: Readonly<Partial<Record<SettingsName, readonly NodeAddress[]>>> = {
  usual: ['primary', 'other', 'gateway'],
  'primary node address': ['primary'],
  'listed node addresses': ['other']
}

const selected: Readonly<Partial<Record<SettingsName, string>>> = {
  usual: 'all',
  'primary node address': 'primary',
  'listed node addresses': "the other one's prefix"
}

/** What a node's own kernel answers where nobody listens. */
const nobody: Readonly<Record<'tcp' | 'udp', Refusal>> = { tcp: 'reset', udp: 'icmp' }

const endpointSets: readonly { readonly name: string; readonly targets: readonly Target[] }[] = [
  { name: 'ready here and elsewhere', targets: [{ server: 'pod-a' }, { server: 'far-c' }] },
  { name: 'none', targets: [] }
]

interface Tried {
  readonly name: SettingsName
  readonly protocol: keyof typeof nobody
  readonly policy: TrafficPolicy
  readonly set: (typeof endpointSets)[number]
}

/** Only the node itself reaches its loopback addresses. */
const clientsOf = (at: NodeAddress): readonly Client[] => (at === 'loopback' ? ['node'] : ['outside', 'node', 'pod here', 'pod elsewhere'])

function rowsOf({ name, protocol, policy, set }: Tried, sites: Sites): Row[] {
  const { nodePort } = sites()
  const service = serviceOf(`node ${name} ${policy} ${set.name}`, protocol, {
    frontends: [{ kind: 'node', port: nodePort, trafficPolicy: policy }],
    endpoints: endpointsOf(set.targets)
  })
  return (Object.keys(nodeAddress) as NodeAddress[]).flatMap((at) =>
    clientsOf(at).flatMap((client) => {
      const isServed = served[name]!.includes(at)
      const expected: Expected = isServed
        ? expectedOf({ kind: 'node', policy, endpoints: set.targets, client, masquerade: 'nonLocal' })
        : { refused: nobody[protocol] }
      const about = { 'Addresses of node ports': selected[name]!, Policy: policy, Endpoints: set.name, 'Asked at': at, Client: client }
      return families.map((family): Row => {
        const sources = [at === 'loopback' ? nodeAddress.loopback[family] : sourceOf(client, family)]
        return {
          id: ['node', name, policy, set.name, at, client, protocol, family].join('/'),
          ...{ chapter, about, settings: name, client, protocol, family, kind: 'node', policy, services: [service] },
          ...{ address: nodeAddress[at][family], port: nodePort, sources, endpoints: set.targets, expected }
        }
      })
    })
  )
}

/** A port of one family's addresses alone. */
function oneFamilyRows(only: Family, sites: Sites): Row[] {
  const { nodePort } = sites()
  const frontend: NodeFrontend = { kind: 'node', port: nodePort, family: only }
  const targets: readonly Target[] = [{ server: 'pod-a' }]
  const service = serviceOf(`node family ${only}`, 'tcp', { frontends: [frontend], endpoints: endpointsOf(targets) })
  const about = {
    'Addresses of node ports': `all; the frontend is of family ${only}`,
    Policy: 'cluster',
    Endpoints: 'ready here',
    'Asked at': 'primary'
  }
  return families.map((family): Row => {
    const expected: Expected = family === only ? { answers: { 'pod-a': 'node' } } : { refused: 'reset' }
    return {
      id: ['node', 'one family', only, 'outside', 'tcp', family].join('/'),
      ...{ chapter, about: { ...about, Client: 'outside' }, settings: 'usual', client: 'outside', protocol: 'tcp', family, kind: 'node' },
      ...{ policy: 'cluster', services: [service], address: nodeAddress.primary[family], port: nodePort },
      ...{ sources: [sourceOf('outside', family)], endpoints: targets, expected }
    }
  })
}

/** Selection of addresses × address × policy × endpoints × client × protocol × family. */
export function nodeAddressRows(sites: Sites): Row[] {
  const names = Object.keys(served) as SettingsName[]
  const tried = names.flatMap((name) =>
    (['tcp', 'udp'] as const satisfies readonly Protocol[]).flatMap((protocol) =>
      (['cluster', 'local'] as const).flatMap((policy) => endpointSets.map((set): Tried => ({ name, protocol, policy, set })))
    )
  )
  return [...tried.flatMap((one) => rowsOf(one, sites)), ...families.flatMap((family) => oneFamilyRows(family, sites))]
}
