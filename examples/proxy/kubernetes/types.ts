/** The parts of Kubernetes objects that a service proxy reads (core/v1, discovery.k8s.io/v1), as they come from YAML: nothing is certain. */

export interface Metadata {
  readonly name?: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
}

export interface ServicePort {
  readonly name?: string
  readonly protocol?: string
  readonly port?: number
}

export interface KubernetesService {
  readonly kind: 'Service'
  readonly metadata?: Metadata
  readonly spec?: {
    readonly type?: string
    readonly clusterIP?: string
    readonly clusterIPs?: readonly string[]
    readonly externalIPs?: readonly string[]
    readonly ports?: readonly ServicePort[]
  }
}

export interface EndpointConditions {
  readonly ready?: boolean | null
  readonly serving?: boolean | null
  readonly terminating?: boolean | null
}

export interface EndpointSlice {
  readonly kind: 'EndpointSlice'
  readonly metadata?: Metadata
  readonly addressType?: string
  readonly ports?: readonly { readonly name?: string | null; readonly protocol?: string; readonly port?: number | null }[] | null
  readonly endpoints?:
    | readonly {
        readonly addresses?: readonly string[]
        readonly conditions?: EndpointConditions
        readonly nodeName?: string
        readonly weight?: number
      }[]
    | null
}

export type KubernetesObject = KubernetesService | EndpointSlice
