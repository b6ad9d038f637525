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
} from './testing/ipvs/kernel.js'
export { FakeConntrackKernel, type FakeConntrackOptions } from './testing/conntrack/kernel.js'
export type { Fault, FaultCalls, FaultCode, FaultOptions } from './testing/faults.js'
export { FakeNftablesKernel, type FakeNftablesOptions } from './testing/nftables/kernel.js'
export { FakeRouteKernel, type FakeRouteOptions } from './testing/route/kernel.js'
export type { FakeRoute } from './testing/route/routes.js'
