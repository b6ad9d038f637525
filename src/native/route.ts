/** The rtnetlink part of what crosses between TypeScript and C++ (`native/addon/route_*`). */
import type {
  NativeBatchReport,
  NativeColumns,
  NativeFailure,
  NativeMonitorOptions,
  NativeOutcome,
  NativeRecord,
  NativeSocket
} from './common.js'

/** A link by its index, or by its name (up to 127 bytes). */
export type NativeLinkReference = number | string

/** struct ifinfomsg and the attributes of native/route/schemas.cc (`link`). */
export interface NativeLink {
  readonly index: number
  readonly hardwareType: number
  /** IFF_* bits. */
  readonly flags: number
  readonly value: NativeRecord
}

export interface NativeLinkChange {
  readonly verb: 'create' | 'set' | 'delete'
  readonly link: NativeLinkReference
  /** IFF_* bits to change, and what to. */
  readonly changeMask: number
  readonly flags: number
  /** `mtu`, `info` …; empty for delete. */
  readonly value: NativeRecord
  readonly deadlineMs: number
}

export interface NativeAddressChange {
  /** `replace`: an address that is on the link gets these lifetimes, flags (IPv6) and protocol. */
  readonly verb: 'add' | 'replace' | 'delete'
  readonly link: NativeLinkReference
  /** native/route/addresses.h; copied before the call returns. */
  readonly columns: NativeColumns
  readonly deadlineMs: number
}

export interface NativeAddressReport extends NativeBatchReport {
  /** The link's index. */
  readonly linkIndex: number
}

/** A route (native/route/routes.h): struct rtmsg and attributes. Addresses are 4 or 16 bytes in network order; absent: none. */
export interface NativeRoute {
  readonly destination: Uint8Array
  readonly destinationLength: number
  /** RTN_*. */
  readonly type: number
  /** RT_SCOPE_*. */
  readonly scope: number
  /** RTPROT_*. */
  readonly protocol: number
  readonly table: number
  readonly linkIndex?: number
  /** Of either family. */
  readonly gateway?: Uint8Array
  /** RTA_PREFSRC. */
  readonly source?: Uint8Array
  readonly metric?: number
  readonly nexthopId?: number
  /** RTA_MULTIPATH. */
  readonly hops: readonly { readonly linkIndex: number; readonly weight: number; readonly gateway?: Uint8Array }[]
}

export interface NativeRouteLookup {
  /** AF_INET 2 or AF_INET6 10. */
  readonly family: number
  readonly destination: Uint8Array
  readonly source?: Uint8Array | undefined
  readonly inputLink?: NativeLinkReference | undefined
  readonly outputLink?: NativeLinkReference | undefined
  readonly mark: number
  /** Absent: that of the process. */
  readonly userId?: number | undefined
  /** RTM_F_FIB_MATCH. */
  readonly match: boolean
  readonly deadlineMs: number
}

export interface NativeRouteSocket extends NativeSocket {
  listLinks(request: { readonly deadlineMs: number }): Promise<NativeOutcome<readonly NativeLink[]>>
  getLink(request: { readonly link: NativeLinkReference; readonly deadlineMs: number }): Promise<NativeOutcome<NativeLink>>
  changeLink(change: NativeLinkChange): Promise<NativeOutcome<undefined>>
  /** `family`: 0 all, AF_INET 2, AF_INET6 10. Without `link` those of all links. */
  listAddresses(request: {
    readonly family: number
    readonly link?: NativeLinkReference
    readonly deadlineMs: number
  }): Promise<NativeOutcome<readonly NativeColumns[]>>
  changeAddresses(change: NativeAddressChange): Promise<NativeOutcome<NativeAddressReport>>
  /** RTM_GETROUTE of one destination. */
  lookUpRoute(lookup: NativeRouteLookup): Promise<NativeOutcome<NativeRoute>>
}

/** A link, a default route, or several addresses that one requester added or removed (columns of native/route/addresses.h). */
export interface NativeRouteEvent {
  readonly type: 'newlink' | 'dellink' | 'newaddr' | 'deladdr' | 'newroute' | 'delroute'
  readonly portId: number
  readonly sequence: number
  readonly link?: NativeLink
  readonly route?: NativeRoute
  readonly addresses?: NativeColumns
}

export type NativeRouteMonitorCallback = (events: readonly (NativeRouteEvent | 'lost')[], failure: NativeFailure | undefined) => void

export interface NativeRouteMonitorOptions extends NativeMonitorOptions {
  readonly links: boolean
  readonly addresses: boolean
  readonly defaultRoutes: boolean
}
