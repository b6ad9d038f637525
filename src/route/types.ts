/**
 * What the route client takes and gives: links and the addresses on them.
 */
import type { AddressFamily } from '../core/address.js'
import type { CallOptions } from '../core/options.js'

/** A link by its name (`eth0`, or an alternative name of Linux 5.5) or its index, which stays the same when it is renamed. */
export type LinkReference = string | number

/** IFF_* of include/uapi/linux/if.h, in lower case. */
export type LinkFlag =
  | 'up'
  | 'broadcast'
  | 'debug'
  | 'loopback'
  | 'pointopoint'
  | 'notrailers'
  | 'running'
  | 'noarp'
  | 'promisc'
  | 'allmulti'
  | 'master'
  | 'slave'
  | 'multicast'
  | 'portsel'
  | 'automedia'
  | 'dynamic'
  | 'lower-up'
  | 'dormant'
  | 'echo'

/** IF_OPER_* of include/uapi/linux/if.h (RFC 2863). `lo` and links that do not report it are `unknown`, which is no fault. */
export type OperationalState = 'unknown' | 'not-present' | 'down' | 'lower-layer-down' | 'testing' | 'dormant' | 'up'

/** A link (network device, interface) as the kernel reports it. */
export interface Link {
  readonly index: number
  readonly name: string
  /** Other names that find it (Linux 5.5). */
  readonly alternativeNames: readonly string[]
  /** `dummy`, `veth`, `bridge` …; absent for hardware and `lo`. */
  readonly kind?: string
  /** Administratively up: the flag `up`. */
  readonly isUp: boolean
  readonly flags: readonly LinkFlag[]
  readonly operationalState: OperationalState
  /** Bytes. */
  readonly mtu: number
  /** `52:54:00:12:34:56`; absent where the link has none. */
  readonly hardwareAddress?: string
  /** ARPHRD_* of include/uapi/linux/if_arp.h: 1 Ethernet, 772 loopback. */
  readonly hardwareType: number
  /** Index of the bridge, bond or VRF it belongs to. */
  readonly masterIndex?: number
  /** Index of the link it sits on (VLAN), or of its other end (veth); that one may be in another namespace. */
  readonly lowerIndex?: number
  /** Free text that people and programs attach (IFLA_IFALIAS). */
  readonly alias?: string
}

/** RT_SCOPE_* of include/uapi/linux/rtnetlink.h; other values are numbers 0–255. */
export type AddressScope = 'global' | 'site' | 'link' | 'host' | 'nowhere' | number

/**
 * IFA_F_* of include/uapi/linux/if_addr.h. `secondary` is IFA_F_TEMPORARY on IPv6. Those a caller can set are `nodad`, `optimistic`, `homeaddress`,
 * `managetempaddr`, `noprefixroute` and `mcautojoin`; the others are the kernel's, and ignored in what is added, so that a listed address can be added again.
 */
export type AddressFlag =
  | 'secondary'
  | 'nodad'
  | 'optimistic'
  | 'dadfailed'
  | 'homeaddress'
  | 'deprecated'
  | 'tentative'
  | 'permanent'
  | 'managetempaddr'
  | 'noprefixroute'
  | 'mcautojoin'
  | 'stable-privacy'

/** An address on a link, as the kernel reports it. */
export interface LinkAddress {
  readonly linkIndex: number
  readonly family: AddressFamily
  /** Without prefix length: `10.0.0.1`. */
  readonly address: string
  readonly prefixLength: number
  readonly scope: AddressScope
  readonly flags: readonly AddressFlag[]
  /** Who made it (IFAPROT_*, Linux 5.18): 0 unknown, 1–3 the kernel, others as user space agrees. */
  readonly protocol: number
  /** The other end of a point-to-point link. */
  readonly peer?: string
  readonly broadcast?: string
  /** IPv4 only; the link's name unless another was given. */
  readonly label?: string
  /** Seconds left; absent: for ever. */
  readonly validLifetimeSeconds?: number
  /** Seconds left until it is `deprecated`; absent: for ever. */
  readonly preferredLifetimeSeconds?: number
}

/** An address to add or remove. What {@link LinkAddress} lists is one. */
export interface AddressSpec {
  /** `10.0.0.1`, or with its prefix length `10.0.0.1/24`. */
  readonly address: string
  /** Default: what `address` has, else 32 or 128. */
  readonly prefixLength?: number
  /** IPv4 only (the kernel decides for IPv6). Default: `host` for 127.0.0.0/8, else `global`, as `ip address` does. */
  readonly scope?: AddressScope
  readonly flags?: readonly AddressFlag[]
  /** 0–255; Linux 5.18, ignored by older kernels. */
  readonly protocol?: number
  /** The other end of a point-to-point link. */
  readonly peer?: string
  /** IPv4 only. Default: none. */
  readonly broadcast?: string
  /** IPv4 only, at most 15 bytes, beginning with the link's name. When removing, only an address with this label is removed. */
  readonly label?: string
  /** Seconds, 1 … 4294967294. Default: for ever. */
  readonly validLifetimeSeconds?: number
  /** Seconds, 0 … `validLifetimeSeconds`. Default: for ever, or as long as it is valid. */
  readonly preferredLifetimeSeconds?: number
}

/** An address in text (`10.0.0.1/32`, `fd00::1`; without a length: the full one), or with details. */
export type AddressInput = string | AddressSpec

/** Many addresses as typed arrays, one entry a row: no parsing, and no object for each. They are copied by the call. */
export interface AddressColumns {
  readonly rows: number
  /** 2 (AF_INET) or 10 (AF_INET6). */
  readonly family: Uint8Array
  /** 16 bytes a row, network order; an IPv4 address is the first 4 of them. */
  readonly address: Uint8Array
  readonly prefixLength: Uint8Array
  /** RT_SCOPE_* numbers. Default: 0, global. */
  readonly scope?: Uint8Array
  /** IFA_F_* bits. Default: the option `flags`. */
  readonly flags?: Uint32Array
  /** Default: the option `protocol`. */
  readonly protocol?: Uint8Array
}

/** How a change of many addresses goes about refusals. */
export interface ChangeAddressesOptions extends CallOptions {
  /**
   * Takes what is already as wanted for done: an address that is on the link (add), or is not (remove). It counts as `unchanged`. An address on the link whose lifetimes
   * are not the wanted ones is given them (NLM_F_REPLACE, as `ip address replace` does), and counts as applied: so a lifetime is renewed, and ended where none is said. `atomic`
   * does not take a renewal back. An IPv6 address that is on the link with another prefix length is not as wanted, and refused with `EEXIST`.
   */
  readonly ensure?: boolean
}

/** How addresses are added. */
export interface AddAddressesOptions extends ChangeAddressesOptions {
  /**
   * What happens when the kernel refuses an address. `throw` (default): all others are tried, then the promise rejects. `isolate`: all others are
   * tried, and the report says which were refused. `atomic`: the addresses that were added are removed again (half
   * of the deadline is kept for that), and the promise rejects.
   */
  readonly onError?: 'throw' | 'isolate' | 'atomic'
  /** Flags of addresses that have none of their own: `['nodad', 'noprefixroute']` makes IPv6 addresses usable at once and adds no route. */
  readonly flags?: readonly AddressFlag[]
  /** Protocol of addresses that have none of their own. */
  readonly protocol?: number
}

/** How addresses are removed. */
export interface RemoveAddressesOptions extends ChangeAddressesOptions {
  /** As {@link AddAddressesOptions.onError}; a removal cannot be taken back in full (routes and sockets go with it), so there is no `atomic`. */
  readonly onError?: 'throw' | 'isolate'
}

/** What a link is made of, or becomes. */
export interface LinkSettings {
  /** Administratively up or down. */
  readonly up?: boolean
  /** Bytes; the kernel refuses what the link cannot do (`EINVAL`). */
  readonly mtu?: number
}

/** How a dummy link is added. */
export interface AddDummyOptions extends CallOptions, LinkSettings {
  /** `52:54:00:12:34:56`; the kernel refuses multicast addresses and zero (`EADDRNOTAVAIL`). Of a new link; one that is there already keeps its own. Default: a random one. */
  readonly hardwareAddress?: string
  /** A dummy link of that name that is there already is as good: its `up` and `mtu` are set. Any other link of that name is `EEXIST`. */
  readonly ensure?: boolean
}

/** Which addresses are listed. */
export interface ListAddressesOptions extends CallOptions {
  /** Only those of this link: filtered by the kernel (Linux 4.20). */
  readonly link?: LinkReference
  /** Only those of this family. */
  readonly family?: AddressFamily
}

/** RTN_* of include/uapi/linux/rtnetlink.h; other values are numbers. */
export type RouteType =
  'unspecified' | 'unicast' | 'local' | 'broadcast' | 'anycast' | 'multicast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw' | number

/** One way of a route that has several. */
export interface RouteHop {
  readonly linkIndex: number
  /** Absent: the destination is on the link. */
  readonly gateway?: string
  /** Its share among the ways of the route, 1–256. */
  readonly weight: number
}

/** A route as the kernel reports it: what a look-up found, or a default route that came or went. */
export interface RouteEntry {
  readonly family: AddressFamily
  readonly type: RouteType
  /** `10.0.0.0/8`, `0.0.0.0/0`; of a look-up without `match` the address itself, `10.1.2.3/32`. */
  readonly destination: string
  /** RT_TABLE_*: 254 is `main`, 255 `local`, 0 none. IPv4 answers 254 for addresses of this machine, too, as long as no rule of routing was added. */
  readonly table: number
  /** Who made it (RTPROT_*): 2 the kernel, 3 `ip route` at boot, 4 an administrator, 9 router advertisements, 16 DHCP. 0 in an IPv4 look-up without `match`. */
  readonly protocol: number
  readonly scope: AddressScope
  /** By which the packet leaves. Absent where there are several ways, or none. */
  readonly linkIndex?: number
  /** Absent: the destination is on the link. It may be of the other family (RFC 5549). */
  readonly gateway?: string
  /** Of a look-up the address that the kernel takes as source where a socket has none; of an entry of a table its preferred source (RTA_PREFSRC), where one was set. */
  readonly source?: string
  /** Lower ones go first. IPv4 says it in entries of a table alone, and only where it is not 0. */
  readonly metric?: number
  /** The nexthop object that it uses (Linux 5.3). */
  readonly nexthopId?: number
  /** Where the entry has several ways. */
  readonly hops?: readonly RouteHop[]
}

/** What is known of the packet whose route is looked up. */
export interface LookupOptions extends CallOptions {
  /** Where it comes from. Of a packet that this machine sends it is an address of its own, and the default is what the kernel chooses. Needed beside `inputLink` for IPv4. */
  readonly source?: string
  /** The link by which it comes in, to be forwarded or delivered. Default: this machine sends it. Not beside `outputLink` and `userId`. */
  readonly inputLink?: LinkReference
  /** The link that the sender is bound to. */
  readonly outputLink?: LinkReference
  /** Firewall mark, for rules of routing: 0 … 4294967295. Default: 0. */
  readonly mark?: number
  /** Numeric user who sends it, for rules of routing: 0 … 4294967294 (Linux 4.10). Default: the user of this process. */
  readonly userId?: number
  /**
   * Gives the entry of the table that matches, rather than what becomes of it for this packet: `destination` is its prefix, `source` its own preferred source, and all `hops` are
   * named. Equivalent to `ip route get … fibmatch` (Linux 4.13). Default: false.
   */
  readonly match?: boolean
}
