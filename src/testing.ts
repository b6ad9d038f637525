/**
 * Fakes: kernels in memory, for tests of code that uses this package. The same clients run on them, with the same checks and refusals, and need no privileges.
 *
 * @example
 * const kernel = new FakeNftablesKernel()
 * await using nft = await kernel.open()
 *
 * @packageDocumentation
 */
export {
  FakeIpvsKernel,
  type FakeConnectionCounts,
  type FakeIpvsFault,
  type FakeIpvsOperation,
  type FakeIpvsOptions
} from './testing/fake-ipvs.js'
export { FakeConntrackKernel, type FakeConntrackOptions } from './testing/fake-conntrack.js'
export { FakeNftablesKernel, type FakeNftablesOptions } from './testing/fake-nftables.js'
export { FakeRouteKernel, type FakeRouteOptions } from './testing/fake-route.js'
