import { expectedOf } from '../expected.js'
import { addressOf, moreClients } from '../network.js'
import type { Client, Expected, Row, Target } from '../types.js'
import { patience } from '../../../support/lab.js'
import { endpointsOf, families, frontendsOf, kinds, policies, protocols, reachOf, serviceOf, sourceOf, type Sites } from './build.js'
import type { Protocol } from '../../../../src/core/protocols.js'
import type { FrontendKind, Service, TrafficPolicy } from '../../../../src/plane/model.js'

export const chapter = 'Clients that keep their endpoint'

/** How a service keeps clients. */
interface Way {
  readonly name: string
  readonly service: Pick<Service, 'affinity' | 'scheduler'>
  readonly protocols: readonly Protocol[]
}

const ways: readonly Way[] = [
  { name: 'affinity', service: { affinity: { timeoutSeconds: 60 } }, protocols },
  { name: 'affinity, the longest', service: { affinity: { timeoutSeconds: 4_294_967 } }, protocols: ['tcp'] },
  { name: 'scheduler hash', service: { scheduler: 'hash' }, protocols },
  { name: 'scheduler consistent', service: { scheduler: 'consistent' }, protocols },
  { name: 'affinity over scheduler hash', service: { affinity: { timeoutSeconds: 60 }, scheduler: 'hash' }, protocols: ['tcp'] }
]

/** Two local endpoints and one elsewhere, so that either policy has a choice. */
const targets: readonly Target[] = [{ server: 'pod-a' }, { server: 'pod-b' }, { server: 'far-c' }]
/** So that each of many clients outside, over which two endpoints share, makes it certain that both are used. */
const pair: readonly Target[] = [{ server: 'pod-a' }, { server: 'far-c' }]

interface Tried {
  readonly way: Way
  readonly protocol: Protocol
  readonly kind: FrontendKind
  readonly policy: TrafficPolicy
}

/** All kinds and policies with tcp; with the other protocols what has keys of its own. */
const tried = ways.flatMap((way) =>
  way.protocols.flatMap((protocol) =>
    kinds.flatMap((kind) =>
      policies.filter((policy) => protocol === 'tcp' || policy === 'cluster').map((policy): Tried => ({ way, protocol, kind, policy }))
    )
  )
)

const stickyExpected = (expected: Expected): Expected => ('answers' in expected ? { ...expected, sticky: true } : expected)

function oneClientRows({ way, protocol, kind, policy }: Tried, sites: Sites): Row[] {
  const site = sites()
  const service = serviceOf(`sticky ${way.name} ${kind} ${policy}`, protocol, {
    ...way.service,
    ...{ frontends: frontendsOf(kind, site, policy), endpoints: endpointsOf(targets) }
  })
  const asking: readonly Client[] = protocol === 'tcp' ? ['outside', 'node', 'pod elsewhere'] : ['outside']
  return asking.flatMap((client) => {
    const expected = stickyExpected(expectedOf({ kind, policy, endpoints: targets, client, masquerade: 'nonLocal' }))
    return families.map((family): Row => {
      const about = { Service: way.name, Frontend: kind, Policy: policy, Client: client }
      return {
        id: ['sticky', way.name, kind, policy, client, protocol, family].join('/'),
        ...{ chapter, about, settings: 'usual', client, protocol, family, kind, policy, services: [service], expected },
        ...{ ...reachOf(kind, site, family), sources: [sourceOf(client, family)], endpoints: targets }
      }
    })
  })
}

/** Clients differ: all endpoints are used, though each client keeps its own. */
function manyClientsRows({ way, protocol, kind, policy }: Tried, sites: Sites): Row[] {
  const site = sites()
  const service = serviceOf(`sticky many ${way.name} ${kind} ${policy}`, protocol, {
    ...way.service,
    ...{ frontends: frontendsOf(kind, site, policy), endpoints: endpointsOf(pair) }
  })
  const expected = stickyExpected(expectedOf({ kind, policy, endpoints: pair, client: 'outside', masquerade: 'nonLocal' }))
  return families.map((family): Row => {
    const about = { Service: way.name, Frontend: kind, Policy: policy, Client: 'many outside' }
    const sources = [addressOf.outside[family], ...moreClients[family]]
    return {
      id: ['sticky', way.name, kind, policy, 'many outside', protocol, family].join('/'),
      ...{ chapter, about, settings: 'usual', client: 'outside', protocol, family, kind, policy, services: [service], expected },
      ...{ ...reachOf(kind, site, family), sources, endpoints: pair }
    }
  })
}

/** What is learnt of a connection to itself is learnt of the client, not of the address it is masqueraded to. */
function itselfRows(way: Way, sites: Sites): Row[] {
  return kinds.flatMap((kind) => {
    const site = sites()
    const only: readonly Target[] = [{ server: 'pod-a' }]
    const services = [
      serviceOf(`sticky itself ${way.name} ${kind}`, 'tcp', {
        ...way.service,
        frontends: frontendsOf(kind, site, 'local'),
        endpoints: endpointsOf(only)
      })
    ]
    const expected = stickyExpected(expectedOf({ kind, policy: 'local', endpoints: only, client: 'itself', masquerade: 'nonLocal' }))
    return families.map((family): Row => {
      const about = { Service: way.name, Frontend: kind, Policy: 'local', Client: 'itself, the only endpoint' }
      return {
        id: ['sticky', way.name, kind, 'local', 'itself', 'tcp', family].join('/'),
        ...{ chapter, about, settings: 'usual', client: 'itself', protocol: 'tcp', family, kind, policy: 'local', services, expected },
        ...{ ...reachOf(kind, site, family), sources: [sourceOf('itself', family)], endpoints: only }
      }
    })
  })
}

/** Affinity over time: 25 clients ask several times, with a pause that is far from the time-out, as machines are busy, and those of the lab slow. */
const overTime = [
  { name: 'affinity that each connection renews', timeoutSeconds: 3 * patience, pauseMs: 2000 * patience, rounds: 3, isKept: true },
  { name: 'affinity that has ended', timeoutSeconds: 1, pauseMs: 3000, rounds: 2, isKept: false }
] as const

/** A client that asks again within the time-out keeps its endpoint for longer than that; one that does not loses it. */
function timedRows(sites: Sites): Row[] {
  return overTime.flatMap(({ name, timeoutSeconds, isKept, ...pace }) =>
    (['cluster', 'node'] as const).flatMap((kind) => {
      const site = sites()
      const frontends = frontendsOf(kind, site, 'cluster')
      const services = [
        serviceOf(`sticky timed ${name} ${kind}`, 'tcp', { affinity: { timeoutSeconds }, frontends, endpoints: endpointsOf(pair) })
      ]
      const answered: Expected = { answers: { 'pod-a': 'node', 'far-c': 'node' } }
      const expected: Expected = isKept ? { ...answered, sticky: true } : { ...answered, forgotten: true }
      return families.map((family): Row => {
        const about = { Service: name, Frontend: kind, Policy: 'cluster', Client: 'many outside' }
        const sources = [addressOf.outside[family], ...moreClients[family]]
        return {
          id: ['sticky', name, kind, 'cluster', 'many outside', 'tcp', family].join('/'),
          ...{ chapter, about, settings: 'usual', client: 'outside', protocol: 'tcp', family, kind, policy: 'cluster', services, expected },
          ...{ ...reachOf(kind, site, family), sources, ...pace, endpoints: pair }
        }
      })
    })
  )
}

/** Way × frontend × policy × client × protocol × family. */
export function stickyRows(sites: Sites): Row[] {
  const many = tried.filter(({ policy, kind }) => policy === 'cluster' && (kind === 'cluster' || kind === 'node'))
  return [
    ...tried.flatMap((one) => oneClientRows(one, sites)),
    ...many.flatMap((one) => manyClientsRows(one, sites)),
    ...ways.flatMap((way) => itselfRows(way, sites)),
    ...timedRows(sites)
  ]
}
