import { mkdtempSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { ServerName } from '../../tools/cluster/build.mjs'
import { ControlPlane, TOKENS, type TokenName } from '../../test/support/kubernetes/control-plane.js'
import type { NewObject } from '../../test/support/kubernetes/client.js'
import { connectToApi, disconnectFromApi, NODE_ADDRESS } from '../../test/support/kubernetes/node-link.js'
import { proxyRights } from '../../test/support/kubernetes/rights.js'
import { run } from '../../test/support/run.js'
import { inFreshNamespace } from '../frame/namespaces.js'
import type { Netplane } from '../frame/netplane.js'
import type { Place } from '../frame/row.js'
import { exampleProxy, kubeProxy, type Daemon, type ProxyMode } from './daemon.js'
import { clusterNamespace, clusterNode, partsOf, serviceObject, sliceObject, spareAddress, type ClusterSize } from './large-cluster.js'
import { measureDaemon, measureStart, type Figures, type Source } from './session.js'

/** What a session on an API needs. */
export interface ApiTask {
  /** The repository. */
  readonly root: string
  readonly size: ClusterSize
  readonly mode: ProxyMode
  readonly programs: Readonly<Record<ServerName, string>>
  /** Whether the start alone is measured. */
  readonly startsOnly: boolean
}

/** What came of a session on an API: each daemon had a node of its own, one after the other. */
export interface ApiReport {
  readonly ours: Figures
  readonly kubeProxy: Figures
}

/** Services whose objects are made at the same time. */
const atOnce = 500

/** A node without an address makes kube-proxy wait for one. */
const nodeObject: NewObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: clusterNode },
  status: { addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }] }
}

/** Services and slices at an API server. */
class ApiObjects implements Source {
  readonly size: ClusterSize
  readonly #writer: ControlPlane['writer']
  #moves = 0

  constructor({ writer }: ControlPlane, size: ClusterSize) {
    this.#writer = writer
    this.size = size
  }

  async make(): Promise<void> {
    await this.#writer.createAll([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: clusterNamespace } }, nodeObject])
    for (const numbers of partsOf(this.size, atOnce))
      await this.#writer.createAll(numbers.flatMap((number) => [serviceObject(number), sliceObject(this.size, number)]))
  }

  move(service: number): ReturnType<Source['move']> {
    const address = spareAddress(this.size, this.#moves++)
    const slice = sliceObject(this.size, service, address)
    const { endpoints } = slice
    return { address, write: () => this.#writer.patch(slice, { endpoints }) }
  }
}

/** Runs with a node that reaches the API server. */
async function onNode<T>(use: (place: Place) => Promise<T>): Promise<T> {
  return await inFreshNamespace(async (place) => {
    await connectToApi({ name: place.name, run: (command, args) => run('ip', ['netns', 'exec', place.name, command, ...args]) })
    try {
      return await use(place)
    } finally {
      await disconnectFromApi()
    }
  })
}

/** Measures both proxies on one API server. It must run in namespaces of its own, as the servers are in those of this process. */
export async function measureOnApi(netplane: Netplane, { root, size, mode, programs, startsOnly }: ApiTask): Promise<ApiReport> {
  const plane = await ControlPlane.start(programs, proxyRights(root))
  try {
    const objects = new ApiObjects(plane, size)
    await objects.make()
    const folder = mkdtempSync('/run/netplane-tokens-')
    const kubeconfig = (name: TokenName): string => {
      const file = path.join(folder, name)
      writeFileSync(file, TOKENS[name])
      return plane.kubeconfig(file)
    }
    const measure = startsOnly ? measureStart : measureDaemon
    const figuresOf = (daemon: Daemon): Promise<Figures> => onNode((place) => measure(netplane, place, daemon, objects))
    const ours = exampleProxy(root, mode, [...['--kubeconfig', kubeconfig('proxy'), '--node-name', clusterNode]])
    // An administrator may do what kube-proxy's role lets it do.
    const peer = kubeProxy(programs['kube-proxy'], mode, ['--kubeconfig', kubeconfig('admin'), '--hostname-override', clusterNode])
    return { ours: await figuresOf(ours), kubeProxy: await figuresOf(peer) }
  } finally {
    await plane.stop()
  }
}
