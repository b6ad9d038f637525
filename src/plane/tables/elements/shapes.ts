/**
 * What services have in common that need elements of the same sets, as many of each.
 */
import type { Endpoint, Frontend, Service } from '../../model.js'

/** Whether an endpoint has an address and a port, and nothing else that counts. */
const isPlain = ({ address, weight, local, state, side }: Endpoint): boolean =>
  typeof (address as unknown) === 'string' && weight === undefined && local === undefined && state === undefined && side === undefined

function frontendShape(frontend: Frontend): string | undefined {
  const { kind, trafficPolicy = '', carrier } = frontend
  // A plane has no slots for what a carrier serves.
  const served = carrier === undefined ? kind : `carried ${kind}`
  if (kind === 'node') return `${served} ${trafficPolicy} ${frontend.family ?? ''}`
  if (typeof (frontend.address as unknown) !== 'string') return undefined
  if (kind === 'loadBalancer' && frontend.sourceRanges !== undefined) return undefined
  return `${served} ${trafficPolicy} ${frontend.address.includes(':') ? 6 : 4}`
}

/** Services of one shape need as many elements; undefined: this one is to be counted by itself. It may be anything: what is read of it may throw. */
export function shapeOf({ protocol, frontends, endpoints, scheduler, affinity }: Service): string | undefined {
  if (affinity !== undefined || !Array.isArray(frontends) || !Array.isArray(endpoints)) return undefined
  let v6 = 0
  // Each of very many, which an iterator would make slow.
  for (let index = 0; index < endpoints.length; index++) {
    const endpoint = (endpoints as readonly Endpoint[])[index]!
    if (!isPlain(endpoint)) return undefined
    if (endpoint.address.includes(':')) v6++
  }
  let shape = `${protocol} ${scheduler ?? ''} ${endpoints.length} ${v6}`
  for (const frontend of frontends as readonly Frontend[]) {
    const more = frontendShape(frontend)
    if (more === undefined) return undefined
    shape += `, ${more}`
  }
  return shape
}
