/**
 * The parts of Kubernetes objects that a service proxy reads (core/v1, discovery.k8s.io/v1, networking.k8s.io/v1), in the shape that `shapeProblem` ensures. Any field may be null, which means that it is absent.
 */

export interface Metadata {
  readonly name: string
  readonly namespace?: string | null
  /** Which of all objects that had this name in the course of time, and which state of it. Only an API gives them. */
  readonly uid?: string | null
  readonly resourceVersion?: string | null
  readonly labels?: Readonly<Record<string, string | null>> | null
  readonly annotations?: Readonly<Record<string, string | null>> | null
}

export interface ServicePort {
  readonly name?: string | null
  readonly protocol?: string | null
  readonly port: number
  readonly nodePort?: number | null
}

export interface ServiceSpec {
  readonly type?: string | null
  readonly clusterIP?: string | null
  readonly clusterIPs?: readonly string[] | null
  readonly externalIPs?: readonly string[] | null
  readonly loadBalancerSourceRanges?: readonly string[] | null
  readonly externalTrafficPolicy?: string | null
  readonly internalTrafficPolicy?: string | null
  readonly healthCheckNodePort?: number | null
  readonly sessionAffinity?: string | null
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number | null } | null } | null
  readonly ports?: readonly ServicePort[] | null
}

export interface KubernetesService {
  readonly kind: 'Service'
  readonly metadata: Metadata
  readonly spec?: ServiceSpec | null
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string | null; readonly ipMode?: string | null }[] | null
    } | null
  } | null
}

export interface EndpointConditions {
  readonly ready?: boolean | null
  readonly serving?: boolean | null
  readonly terminating?: boolean | null
}

type Names = readonly { readonly name: string }[] | null

/** Where an endpoint should be used. */
export interface EndpointHints {
  readonly forZones?: Names
  readonly forNodes?: Names
}

export interface SliceEndpoint {
  readonly addresses?: readonly string[] | null
  readonly conditions?: EndpointConditions | null
  readonly nodeName?: string | null
  readonly zone?: string | null
  readonly hints?: EndpointHints | null
  readonly weight?: number | null
}

export interface EndpointPort {
  readonly name?: string | null
  readonly protocol?: string | null
  readonly port?: number | null
}

export interface EndpointSlice {
  readonly kind: 'EndpointSlice'
  readonly metadata: Metadata
  readonly addressType?: string | null
  readonly ports?: readonly EndpointPort[] | null
  readonly endpoints?: readonly SliceEndpoint[] | null
}

export interface KubernetesNode {
  readonly kind: 'Node'
  readonly metadata: Metadata
  readonly status?: { readonly addresses?: readonly { readonly type?: string | null; readonly address?: string | null }[] | null } | null
}

/** Prefixes out of which a cluster gives addresses to Services (networking.k8s.io/v1). */
export interface ServiceCidr {
  readonly kind: 'ServiceCIDR'
  readonly metadata: Metadata
  readonly spec?: { readonly cidrs?: readonly string[] | null } | null
}

export type KubernetesObject = KubernetesService | EndpointSlice | KubernetesNode | ServiceCidr
