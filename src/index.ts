/**
 * The Linux service data plane from Node.js, by netlink alone.
 *
 * @packageDocumentation
 */
export { formatAddress, parseAddress, parsePrefix, prefixRange, type AddressFamily, type Prefix } from './core/address.js'
export type { BulkOptions, BulkReport, RowOutcome } from './core/bulk-run.js'
export type { FakeKernel, KernelPart } from './core/open.js'
export type { AddOptions, CallOptions, InNetworkNamespace, OpenOptions, RemoveOptions } from './core/options.js'
export * from './conntrack/index.js'
export {
  ClosedError,
  NetlinkError,
  NetplaneError,
  TransactionError,
  UnsupportedError,
  ValidationError,
  type NetlinkErrorDetails,
  type NetplaneErrorCode,
  type TransactionOutcome
} from './core/errors.js'
export type { Protocol } from './core/protocols.js'
export type { EventStream } from './core/events/stream.js'
export * from './iptables/index.js'
export * from './ipvs/index.js'
export type { Change, LostEvents, WatchOptions } from './core/events/watch.js'
export * from './nftables/index.js'
export * from './plane/index.js'
export * from './route/index.js'
export type { CommitTrace, RequestTrace, ResyncTrace } from './core/tracing.js'
export { VERSION } from './core/version.js'
