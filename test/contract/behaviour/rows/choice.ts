import { expectedOf } from '../expected.js'
import { clients, type Client, type Row, type Target } from '../types.js'
import { endpointsOf, families, frontendsOf, kinds, policies, protocols, reachOf, serviceOf, sourceOf, type Sites } from './build.js'
import type { Protocol } from '../../../../src/core/protocols.js'

/** A set of endpoints; `pod-a` and `pod-b` are on the node under test. */
interface Endpoints {
  readonly name: string
  readonly targets: readonly Target[]
  /** With which protocols it is tried. A choice is made alike for all of them: tcp has every set. */
  readonly protocols: readonly Protocol[]
}

const a = 'pod-a' as const
const c = 'far-c' as const
const all = protocols
const tcp = ['tcp'] as const

/** Every state here with every state elsewhere that changes what happens. */
const endpointSets: readonly Endpoints[] = [
  { name: 'ready here', targets: [{ server: a }], protocols: all },
  { name: 'ready elsewhere', targets: [{ server: c }], protocols: all },
  { name: 'ready here and elsewhere', targets: [{ server: a }, { server: c }], protocols: all },
  { name: 'two ready here, one elsewhere', targets: [{ server: a }, { server: 'pod-b' }, { server: c }], protocols: tcp },
  { name: 'none', targets: [], protocols: all },
  { name: 'serving here', targets: [{ server: a, state: 'serving' }], protocols: tcp },
  { name: 'serving elsewhere', targets: [{ server: c, state: 'serving' }], protocols: tcp },
  { name: 'serving here, ready elsewhere', targets: [{ server: a, state: 'serving' }, { server: c }], protocols: all },
  { name: 'ready here, serving elsewhere', targets: [{ server: a }, { server: c, state: 'serving' }], protocols: tcp },
  {
    name: 'serving here and elsewhere',
    targets: [
      { server: a, state: 'serving' },
      { server: c, state: 'serving' }
    ],
    protocols: tcp
  },
  { name: 'draining here, ready elsewhere', targets: [{ server: a, state: 'draining' }, { server: c }], protocols: tcp },
  {
    name: 'draining here, serving elsewhere',
    targets: [
      { server: a, state: 'draining' },
      { server: c, state: 'serving' }
    ],
    protocols: tcp
  },
  {
    name: 'draining here and elsewhere',
    targets: [
      { server: a, state: 'draining' },
      { server: c, state: 'draining' }
    ],
    protocols: tcp
  },
  { name: 'ready here for policy local only, ready elsewhere', targets: [{ server: a, side: 'local' }, { server: c }], protocols: tcp },
  {
    name: 'ready here for policy local only, serving elsewhere',
    targets: [
      { server: a, side: 'local' },
      { server: c, state: 'serving' }
    ],
    protocols: tcp
  },
  { name: 'ready here for policy local only', targets: [{ server: a, side: 'local' }], protocols: tcp },
  { name: 'ready here for policy cluster only, ready elsewhere', targets: [{ server: a, side: 'cluster' }, { server: c }], protocols: tcp },
  { name: 'ready here for policy cluster only', targets: [{ server: a, side: 'cluster' }], protocols: tcp },
  { name: 'weight 0 here, ready elsewhere', targets: [{ server: a, weight: 0 }, { server: c }], protocols: tcp },
  {
    name: 'weight 0 here and elsewhere',
    targets: [
      { server: a, weight: 0 },
      { server: c, weight: 0 }
    ],
    protocols: tcp
  }
]

/** A connection to itself is something else than that of another pod only where `pod-a` takes connections. */
const clientsOf = ({ targets }: Endpoints): readonly Client[] =>
  targets.some(({ server }) => server === a) ? clients : clients.slice(0, 4)

export const chapter = 'Which endpoint answers'

/** Client × protocol × family × frontend × policy × endpoints. */
export function choiceRows(sites: Sites): Row[] {
  const combinations = endpointSets.flatMap((endpoints) =>
    endpoints.protocols.flatMap((protocol) =>
      kinds.flatMap((kind) => policies.map((policy) => ({ endpoints, protocol, kind, policy }) as const))
    )
  )
  return combinations.flatMap(({ endpoints, protocol, kind, policy }) => {
    const { name, targets } = endpoints
    const site = sites()
    const frontends = frontendsOf(kind, site, policy)
    const service = serviceOf(`choice ${kind} ${policy} ${name}`, protocol, { frontends, endpoints: endpointsOf(targets) })
    const base = { chapter, settings: 'usual', protocol, kind, policy, services: [service], endpoints: targets } as const
    return clientsOf(endpoints).flatMap((client) => {
      const expected = expectedOf({ kind, policy, endpoints: targets, client, masquerade: 'nonLocal' })
      return families.map((family): Row => {
        const sources = [sourceOf(client, family)]
        const about = { Frontend: kind, Policy: policy, Endpoints: name, Client: client }
        const id = ['choice', kind, policy, name, client, protocol, family].join('/')
        const more = { ...reachOf(kind, site, family), sources }
        return { ...base, id, about, client, family, expected, ...more }
      })
    })
  })
}
