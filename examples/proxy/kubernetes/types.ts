/** The parts of Kubernetes objects that a service proxy reads (core/v1, discovery.k8s.io/v1), in the shape that `shapeProblem` ensures. Any field may be null, which means that it is absent. */

export interface Metadata {
  readonly name: string
  readonly namespace?: string | null
  readonly labels?: Readonly<Record<string, string | null>> | null
}

export interface ServicePort {
  readonly name?: string | null
  readonly protocol?: string | null
  readonly port: number
}

export interface KubernetesService {
  readonly kind: 'Service'
  readonly metadata: Metadata
  readonly spec?: {
    readonly type?: string | null
    readonly clusterIP?: string | null
    readonly clusterIPs?: readonly string[] | null
    readonly externalIPs?: readonly string[] | null
    readonly ports?: readonly ServicePort[] | null
  } | null
}

export interface EndpointConditions {
  readonly ready?: boolean | null
  readonly serving?: boolean | null
  readonly terminating?: boolean | null
}

export interface EndpointSlice {
  readonly kind: 'EndpointSlice'
  readonly metadata: Metadata
  readonly addressType?: string | null
  readonly ports?: readonly { readonly name?: string | null; readonly protocol?: string | null; readonly port?: number | null }[] | null
  readonly endpoints?:
    | readonly {
        readonly addresses?: readonly string[] | null
        readonly conditions?: EndpointConditions | null
        readonly nodeName?: string | null
        readonly weight?: number | null
      }[]
    | null
}

export type KubernetesObject = KubernetesService | EndpointSlice
