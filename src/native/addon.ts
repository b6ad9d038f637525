/** What the addon as a whole offers (`native/addon/module.cc`). */
import type { NativeMonitor, NativeNamespace, NativeOpenOptions, NativeOutcome } from './common.js'
import type { NativeConntrackMonitorCallback, NativeConntrackMonitorOptions, NativeConntrackSocket } from './conntrack.js'
import type { NativeIpsetSocket } from './ipset.js'
import type { NativeIpvsConnections, NativeIpvsSocket } from './ipvs.js'
import type { NativeMonitorCallback, NativeNftablesMonitorOptions, NativeNftablesSocket } from './nftables.js'
import type { NativeRouteMonitorCallback, NativeRouteMonitorOptions, NativeRouteSocket } from './route.js'
import type { NativeDiagnosticSocket } from './sockets.js'

/** What `native/addon/module.cc` exports. */
export interface NativeAddon {
  /** Equal to the package's version, or the loader refuses. */
  readonly version: string
  /** Prints decoded frames to standard error (`NETPLANE_DEBUG=netlink`). */
  setTrace(enabled: boolean): void
  /** A further descriptor of the same open file (`F_DUPFD_CLOEXEC`), which whoever asked closes; a negative errno where there is none to be had. */
  duplicateDescriptor(descriptor: number): number
  openNftables(options: NativeOpenOptions): Promise<NativeOutcome<NativeNftablesSocket>>
  /** The callback runs on this environment's loop, from the moment the promise resolves until `close()`. */
  monitorNftables(options: NativeNftablesMonitorOptions, callback: NativeMonitorCallback): Promise<NativeOutcome<NativeMonitor>>
  openRoute(options: NativeOpenOptions): Promise<NativeOutcome<NativeRouteSocket>>
  /** As {@link NativeAddon.monitorNftables}. */
  monitorRoute(options: NativeRouteMonitorOptions, callback: NativeRouteMonitorCallback): Promise<NativeOutcome<NativeMonitor>>
  openSocketDiagnostics(options: NativeOpenOptions): Promise<NativeOutcome<NativeDiagnosticSocket>>
  openConntrack(options: NativeOpenOptions): Promise<NativeOutcome<NativeConntrackSocket>>
  /** As {@link NativeAddon.monitorNftables}; events are filtered before they reach the callback. */
  monitorConntrack(options: NativeConntrackMonitorOptions, callback: NativeConntrackMonitorCallback): Promise<NativeOutcome<NativeMonitor>>
  openIpset(options: NativeOpenOptions): Promise<NativeOutcome<NativeIpsetSocket>>
  openIpvs(options: NativeOpenOptions): Promise<NativeOutcome<NativeIpvsSocket>>
  /** Opens the namespace's /proc/net/ip_vs_conn. */
  openIpvsConnections(options: NativeOpenOptions): Promise<NativeOutcome<NativeIpvsConnections>>
  /** A file below /proc/sys/net (`ipv4/vs/conntrack`), as it is in a network namespace. */
  readSystemSetting(request: { readonly netns?: string | NativeNamespace; readonly name: string }): Promise<NativeOutcome<string>>
  writeSystemSetting(request: {
    readonly netns?: string | NativeNamespace
    readonly name: string
    readonly value: string
  }): Promise<NativeOutcome<undefined>>
  /** A file below /proc/net (`ip_tables_names`) of at most 4096 bytes, as it is in a network namespace. */
  readNetworkFile(request: { readonly netns?: string | NativeNamespace; readonly name: string }): Promise<NativeOutcome<string>>
}
