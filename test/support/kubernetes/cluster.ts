import { afterAll, beforeAll } from 'vitest'
import { serverPrograms } from '../../../tools/cluster/build.mjs'
import { openNetwork, type Network } from '../../contract/behaviour/network.js'
import type { NewObject } from './client.js'
import { ControlPlane } from './control-plane.js'
import { connectToApi } from './node-link.js'
import { proxyRights } from './rights.js'

/** The namespace of the tests' services. */
export const SHOP: NewObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }

/** Starts the API of the tests, which has the rights of the proxy. */
export async function startControlPlane(): Promise<ControlPlane> {
  return await ControlPlane.start(serverPrograms(), proxyRights(process.cwd()))
}

/** What the tests of one file share. */
export interface Cluster {
  /** Its API. */
  readonly plane: ControlPlane
  /** One of its nodes, with pods and clients around it. */
  readonly network: Network
}

/**
 * A cluster for the tests of a file, from before the first one to behind the last one.
 *
 * @param objects What its API has at the beginning, beside the namespace `shop`.
 */
export function useCluster(objects: readonly NewObject[] = []): Cluster {
  let plane: ControlPlane | undefined
  let network: Network | undefined
  beforeAll(async () => {
    plane = await startControlPlane()
    network = await openNetwork()
    await connectToApi(network.node)
    await plane.writer.createAll([SHOP, ...objects])
  })
  afterAll(async () => {
    await network?.close()
    await plane?.stop()
  })
  return {
    get plane() {
      return plane!
    },
    get network() {
      return network!
    }
  }
}
