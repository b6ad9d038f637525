import { isHeadless, LABELS } from './shape.js'
import type { EndpointSlice, KubernetesObject, KubernetesService } from './types.js'

/** What an object is in, if it does not say. */
export function namespaceOf({ metadata }: KubernetesObject): string {
  return metadata.namespace || 'default'
}

/** The value of one of the labels that a proxy reads. */
export function labelOf({ metadata }: KubernetesObject, label: keyof typeof LABELS): string | undefined {
  return metadata.labels?.[LABELS[label]] ?? undefined
}

/** How a service and its slices find each other. */
export function keyOf(service: KubernetesService): string {
  return `${namespaceOf(service)}/${service.metadata.name}`
}

/** Headless services and names of elsewhere have no address that a proxy could serve; a label says that another proxy serves one. */
export function isServedByUs(service: KubernetesService): boolean {
  return service.spec?.type !== 'ExternalName' && !isHeadless(service.spec ?? {}) && labelOf(service, 'proxy') === undefined
}

/** The key of the service that a slice has endpoints of; undefined where a proxy has no use for them. */
export function serviceKeyOf(slice: EndpointSlice): string | undefined {
  if (slice.addressType === 'FQDN' || labelOf(slice, 'headless') !== undefined) return undefined
  return `${namespaceOf(slice)}/${labelOf(slice, 'service') ?? ''}`
}

/** The slices of services, by what {@link keyOf} says of these. */
export function slicesByService(objects: readonly KubernetesObject[]): ReadonlyMap<string, readonly EndpointSlice[]> {
  const slices = new Map<string, EndpointSlice[]>()
  for (const object of objects) {
    const key = object.kind === 'EndpointSlice' ? serviceKeyOf(object) : undefined
    if (object.kind !== 'EndpointSlice' || key === undefined) continue
    const known = slices.get(key)
    if (known === undefined) slices.set(key, [object])
    else known.push(object)
  }
  return slices
}
