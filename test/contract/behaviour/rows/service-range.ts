import { expectedOf } from '../expected.js'
import type { Family } from '../network.js'
import type { Client, Expected, Row, SettingsName, Target } from '../types.js'
import { endpointsOf, families, frontendsOf, protocols, serviceOf, SERVICE_PORT, sourceOf, UNUSED_PORT, type Sites } from './build.js'

export const chapter = 'The rest of a service range'

/** An address that no service has. */
const free: Readonly<Record<Family, string>> = { ip: '10.96.255.1', ip6: 'fd00:10:96::ffff:1' }
const targets: readonly Target[] = [{ server: 'pod-a' }]
const asking: readonly Client[] = ['outside', 'node', 'pod here', 'pod elsewhere']

/** Told the range or not × what is asked × client × protocol × family. */
export function serviceRangeRows(sites: Sites): Row[] {
  const tried = (['usual', 'service ranges told'] as const satisfies readonly SettingsName[]).flatMap((name) =>
    protocols.map((protocol) => ({ name, protocol }))
  )
  return tried.flatMap(({ name, protocol }) => {
    const site = sites()
    const service = serviceOf(`range ${name}`, protocol, {
      frontends: frontendsOf('cluster', site, 'cluster'),
      endpoints: endpointsOf(targets)
    })
    const base = { chapter, settings: name, protocol, kind: 'cluster', policy: 'cluster', services: [service] } as const
    const rest: Expected = name === 'usual' ? { answers: { uplink: 'client' } } : { refused: 'silence' }
    return asking.flatMap((client) => {
      const served = expectedOf({ kind: 'cluster', policy: 'cluster', endpoints: targets, client, masquerade: 'nonLocal' })
      const questions: readonly (readonly [what: string, expected: Expected, address: (family: Family) => string, port: number])[] = [
        ['an address of no service', rest, (family) => free[family], SERVICE_PORT],
        ["a service's address", served, (family) => site.addresses.cluster[family], SERVICE_PORT],
        ["another port of a service's address", { refused: 'icmp' }, (family) => site.addresses.cluster[family], UNUSED_PORT]
      ]
      return questions.flatMap(([what, expected, address, port]) =>
        families.map((family): Row => ({
          id: ['range', name, what, client, protocol, family].join('/'),
          ...{
            ...base,
            about: { 'Service ranges': name === 'usual' ? 'not told' : 'told', Asked: what, Client: client },
            client,
            family,
            expected
          },
          ...{ address: address(family), port, sources: [sourceOf(client, family)], endpoints: targets }
        }))
      )
    })
  })
}
