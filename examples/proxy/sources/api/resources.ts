import { LABELS } from '../../kubernetes/shape.js'
import type { KubernetesObject } from '../../kubernetes/types.js'

/** Which objects of an API server are read. */
export interface ApiResource {
  readonly kind: KubernetesObject['kind']
  /** Path of the list of all namespaces. */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Whether a server may lack it, or refuse it: the proxy does without. */
  readonly isOptional?: true
}

/**
 * What a service proxy reads, selected as kube-proxy does (`cmd/kube-proxy/app/server.go`): no headless Services and no slices of them, nothing that another proxy has been told to
 * handle, and no Node but its own. ServiceCIDRs are served from Kubernetes 1.33 on.
 *
 * @param nodeName The own Node.
 */
export function resourcesOf(nodeName: string): readonly ApiResource[] {
  const noOtherProxy = `!${LABELS.proxy}`
  return [
    { kind: 'Service', path: '/api/v1/services', labelSelector: noOtherProxy, fieldSelector: 'spec.clusterIP!=None' },
    { kind: 'EndpointSlice', path: '/apis/discovery.k8s.io/v1/endpointslices', labelSelector: `!${LABELS.headless},${noOtherProxy}` },
    { kind: 'Node', path: '/api/v1/nodes', fieldSelector: `metadata.name=${nodeName}` },
    { kind: 'ServiceCIDR', path: '/apis/networking.k8s.io/v1/servicecidrs', isOptional: true }
  ]
}
