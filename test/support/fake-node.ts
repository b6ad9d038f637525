import { onTestFinished } from 'vitest'
import { Nftables, openPlane, Route, type NftablesPlaneOptions, type Plane } from '../../src/index.js'
import { FakeNftablesKernel, FakeRouteKernel } from '../../src/testing.js'

/** A node on fakes, whose addresses come and go. */
export interface FakeNode {
  /** Opens a plane of mode `nftables`; more than one is like a process that starts again. */
  readonly open: (options?: NftablesPlaneOptions) => Promise<Plane>
  readonly add: (address: string) => Promise<void>
  readonly remove: (address: string) => Promise<void>
  /** The sorted keys of a set of our table of IPv4. */
  readonly elementsOf: (name: string) => Promise<unknown[]>
  /** What another process does to such a set. */
  readonly edit: (verb: 'add' | 'delete', name: string, key: string) => Promise<void>
}

const SET = { family: 'ip', table: 'netplane' } as const

/** Makes it; it goes with the test. */
export async function makeFakeNode(): Promise<FakeNode> {
  const kernel = { nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const [route, nft] = [await Route.open({ kernel: kernel.route }), await Nftables.open({ kernel: kernel.nftables })]
  onTestFinished(async () => {
    await route.close()
    await nft.close()
  })
  await route.addDummy('node0')
  const change = async (verb: 'addAddresses' | 'removeAddresses', address: string): Promise<void> => {
    await route[verb]('node0', [{ address, prefixLength: 32 }])
  }
  return {
    open: async (options = {}) => {
      const plane = await openPlane({ mode: 'nftables', kernel, auditMs: 0, ...options })
      onTestFinished(() => plane.close())
      return plane
    },
    add: (address) => change('addAddresses', address),
    remove: (address) => change('removeAddresses', address),
    elementsOf: async (name) => [...(await nft.listElements({ ...SET, name }))].map(({ key }) => key).sort(),
    edit: async (verb, name, key) => {
      const tx = nft.transaction()
      tx[verb].elements({ ...SET, name, key: 'ipv4_addr' }, [{ key }])
      await tx.commit()
    }
  }
}
