// Objects of Kubernetes, and what a real kube-proxy made of them.
import { readdirSync, readFileSync } from 'node:fs'
import type { KubernetesObject, KubernetesService } from '../../../../examples/proxy/kubernetes/types.js'
import { addressOf, hosts, type Host } from '../../../contract/behaviour/network.js'
import { readSeen } from '../../../contract/behaviour/reference/seen.js'
import { readSeenInIptables, type SeenInIptables } from '../../../support/kube-proxy-iptables.js'
import { NODE } from '../../../support/kubernetes-services.js'

/** One set of objects. */
export interface Case {
  readonly name: string
  readonly about: string
  /** As an API server gave them, without what no proxy reads. */
  readonly objects: readonly KubernetesObject[]
  /** What kube-proxy wrote for them in mode nftables, as `nft` lists it. */
  readonly nftables: string
  /** What it wrote in mode iptables: what is always there, and what is there for the case. */
  readonly iptables: readonly SeenInIptables[]
}

interface File {
  readonly about: string
  readonly items: readonly KubernetesObject[]
}

/** The node of all cases, the Service of the API server, and what kube-proxy writes for them alone. */
const NOTHING = 'nothing'
/** For these kube-proxy wrote in mode nftables what it always does, to the letter. */
const LIKE_NOTHING: readonly string[] = ['headless', 'externalname', 'other-proxy']

const FOLDER = new URL('../../../support/kube-proxy-objects/', import.meta.url)
const read = (name: string): File => JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as File

/** All of them. */
export async function readCases(): Promise<readonly Case[]> {
  const rulesets = new Map((await readSeen()).map(({ name, ruleset }) => [name, ruleset]))
  const common = read(NOTHING).items
  return readdirSync(FOLDER).map((file) => {
    const name = file.replace('.json', '')
    const nftables = rulesets.get(LIKE_NOTHING.includes(name) ? NOTHING : name)
    if (nftables === undefined) throw new Error(`what kube-proxy wrote for ${name} is missing`)
    const { about, items } = read(name)
    const own = name === NOTHING ? [] : [name]
    return {
      ...{ name, about, nftables },
      objects: name === NOTHING ? items : [...common, ...items],
      iptables: [NOTHING, ...own].map(readSeenInIptables)
    }
  })
}

/** The Services of a case. */
export const servicesOf = ({ objects }: Pick<Case, 'objects'>): readonly KubernetesService[] =>
  objects.filter((object) => object.kind === 'Service')

/** Whose addresses the endpoints have. */
const hostAt = new Map(hosts.flatMap((host) => Object.values(addressOf[host]).map((address) => [address, host] as const)))

/** The hosts at which a Service of a case has endpoints. Those of this node are pods of it in the network, too. */
export function endpointsOf({ objects }: Pick<Case, 'objects'>, { metadata }: KubernetesService): readonly Host[] {
  const slices = objects.filter((object) => object.kind === 'EndpointSlice')
  const own = slices.filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === metadata.name)
  return own.flatMap(({ endpoints }) =>
    (endpoints ?? []).map(({ addresses, nodeName }) => {
      const host = hostAt.get(addresses?.[0] ?? '')
      if (host === undefined || host.startsWith('pod') !== (nodeName === NODE.name))
        throw new Error(`${addresses?.[0]} is not at ${nodeName} in the network`)
      return host
    })
  )
}
