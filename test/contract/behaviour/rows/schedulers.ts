import { expectedOf } from '../expected.js'
import type { Expected, Row, Target } from '../types.js'
import { endpointsOf, frontendsOf, kinds, policies, protocols, reachOf, serviceOf, type Sites } from './build.js'
import { bothFamilies } from './special.js'
import type { Service } from '../../../../src/plane/model.js'

export const weightsChapter = 'Weights'
export const schedulersChapter = 'Schedulers of IPVS'

/** A share of 3 in 4 is, of 120 connections, between 60 and 114 but once in 10^7 runs. */
const THREE_IN_FOUR = [0.5, 0.95] as const
const ONE_IN_FOUR = [0.05, 0.5] as const

const mostHere: readonly Target[] = [
  { server: 'pod-a', weight: 3 },
  { server: 'far-c', weight: 1 },
  { server: 'pod-b', weight: 0 }
]
/** Policy `local` leaves one of the heaviest out. */
const heaviestElsewhere: readonly Target[] = [
  { server: 'pod-a', weight: 9 },
  { server: 'pod-b', weight: 1 },
  { server: 'far-c', weight: 9 }
]

const sharesOf = {
  cluster: {
    targets: mostHere,
    shares: { 'pod-a': THREE_IN_FOUR, 'far-c': ONE_IN_FOUR },
    endpoints: 'weight 3 here, 1 elsewhere, 0 here too'
  },
  local: {
    targets: heaviestElsewhere,
    shares: { 'pod-a': [0.7, 1], 'pod-b': [0, 0.3] },
    endpoints: 'weight 9 here, 1 here too, 9 elsewhere'
  }
} as const

/** Connections in proportion. */
export function weightRows(sites: Sites): Row[] {
  const tried = kinds.flatMap((kind) =>
    policies.flatMap((policy) =>
      (policy === 'cluster' ? protocols : (['tcp'] as const)).map((protocol) => ({ kind, policy, protocol }) as const)
    )
  )
  return tried.flatMap(({ kind, policy, protocol }) => {
    const site = sites()
    const { targets, shares, endpoints } = sharesOf[policy]
    const services = [
      serviceOf(`weights ${kind} ${policy}`, protocol, { frontends: frontendsOf(kind, site, policy), endpoints: endpointsOf(targets) })
    ]
    const chosen = expectedOf({ kind, policy, endpoints: targets, client: 'outside', masquerade: 'nonLocal' })
    const expected: Expected = { ...chosen, shares }
    const about = { Endpoints: endpoints, Frontend: kind, Policy: policy, Client: 'outside' }
    const common = { chapter: weightsChapter, about, client: 'outside', protocol, kind, policy, services, expected } as const
    return bothFamilies(['weights', kind, policy], common, targets, (family) => reachOf(kind, site, family))
  })
}

/** By name; with weights where the scheduler has them. */
const schedulers: readonly (readonly [
  name: NonNullable<Service['scheduler']>,
  targets: readonly Target[],
  more: Pick<Extract<Expected, { answers: unknown }>, 'sticky' | 'shares'>
])[] = [
  ['rr', [{ server: 'pod-a' }, { server: 'far-c' }], { shares: { 'pod-a': [0.3, 0.7] } }],
  ['wrr', mostHere, { shares: { 'pod-a': THREE_IN_FOUR } }],
  ['wlc', [{ server: 'pod-a' }, { server: 'far-c' }], {}],
  ['sh', [{ server: 'pod-a' }, { server: 'far-c' }], { sticky: true }]
]

/** A plane that lacks a scheduler refuses the service. */
export function schedulerRows(sites: Sites): Row[] {
  return schedulers.flatMap(([scheduler, targets, more]) =>
    (['cluster', 'node'] as const).flatMap((kind) => {
      const site = sites()
      const services = [
        serviceOf(`scheduler ${scheduler} ${kind}`, 'tcp', {
          scheduler,
          frontends: frontendsOf(kind, site, 'cluster'),
          endpoints: endpointsOf(targets)
        })
      ]
      const expected: Expected = { answers: { 'pod-a': 'node', 'far-c': 'node' }, ...more }
      const about = { Scheduler: scheduler, Frontend: kind, Client: 'outside' }
      const common = {
        chapter: schedulersChapter,
        about,
        client: 'outside',
        protocol: 'tcp',
        kind,
        policy: 'cluster',
        services,
        expected
      } as const
      return bothFamilies(['scheduler', scheduler, kind], common, targets, (family) => reachOf(kind, site, family))
    })
  )
}
