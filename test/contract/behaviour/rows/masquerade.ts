import { expectedOf } from '../expected.js'
import { clients, settings, type Row, type SettingsName, type Target } from '../types.js'
import { endpointsOf, families, frontendsOf, kinds, policies, reachOf, serviceOf, sourceOf, type Sites } from './build.js'

export const chapter = 'Whose address the endpoint sees'

const targets: readonly Target[] = [{ server: 'pod-a' }, { server: 'far-c' }]
const tried = ['never masqueraded', 'always masqueraded'] as const satisfies readonly SettingsName[]

/** Setting × client × family × frontend × policy; what is usual is in the rows of the choice. */
export function masqueradeRows(sites: Sites): Row[] {
  const combinations = tried.flatMap((name) => kinds.flatMap((kind) => policies.map((policy) => ({ name, kind, policy }) as const)))
  return combinations.flatMap(({ name, kind, policy }) => {
    const site = sites()
    const service = serviceOf(`masquerade ${name} ${kind} ${policy}`, 'tcp', {
      frontends: frontendsOf(kind, site, policy),
      endpoints: endpointsOf(targets)
    })
    const base = { chapter, settings: name, protocol: 'tcp', kind, policy, services: [service], endpoints: targets } as const
    return clients.flatMap((client) => {
      const { masquerade } = settings[name]
      const expected = expectedOf({ kind, policy, endpoints: targets, client, masquerade })
      return families.map((family): Row => {
        const id = ['masquerade', masquerade, kind, policy, client, 'tcp', family].join('/')
        const about = { 'Cluster addresses': name, Frontend: kind, Policy: policy, Client: client }
        const more = { ...reachOf(kind, site, family), sources: [sourceOf(client, family)] }
        return { ...base, id, about, client, family, expected, ...more }
      })
    })
  })
}
