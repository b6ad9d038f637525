/**
 * What planes take and give.
 */
import type { AddressFamily } from '../core/address.js'
import type { NetplaneError } from '../core/errors.js'
import type { PlaneProgress } from './core/advance.js'
import type { ObjectCounts } from './core/backend.js'
import type { PlaneCounters } from './core/counters.js'
import type { Plan, Quarantined } from './core/changes/plan.js'
import type { Explanation, ExplainRequest } from './explanation.js'
import type { Service, Services } from './model.js'
import type { PlaneMode, PlaneOptions } from './options.js'
import type { RelayedConnection } from './userspace/relays/types.js'

/** How a sync treats a service that cannot be applied. */
export interface SyncOptions {
  /**
   * `isolate` (default): the service goes into quarantine, is reported, and tried again with the next sync; the others are applied. `atomic`: nothing is applied and the call
   * rejects.
   */
  readonly onError?: 'isolate' | 'atomic' | undefined
  /**
   * Cancels between two steps, each of which is a kernel transaction or a batch of requests. The call rejects with the signal's reason where nothing was applied, else with a
   * {@link TransactionError} that says what was; the next call then reads the kernel first.
   */
  readonly signal?: AbortSignal | undefined
}

/** Services to set (new or changed) and names to delete; all others stay as they are. A name may stand in it once. */
export interface ServiceUpdate {
  readonly set?: Iterable<Service> | undefined
  /** Deleting what is not there is not an error. */
  readonly delete?: Iterable<string> | undefined
}

/** Milliseconds of a call, from its turn to its end. */
export interface SyncDurations {
  readonly total: number
  /** Checking services and comparing them with those before. A first sync into an empty kernel checks most of them while the kernel works: that is part of `apply`. */
  readonly accept: number
  /** Reading the kernel; 0 where nothing was read. */
  readonly inspect: number
  /** Changing the kernel. */
  readonly apply: number
}

/** What a report says beside what all planes have in common. */
export type SyncDetails =
  | {
      readonly mode: 'nftables'
      /** Transactions committed. */
      readonly commits: number
      /** Bytes of their messages. */
      readonly bytes: number
      /** Generation of the ruleset after the last commit or audit. */
      readonly generation: number
      /** How often the work was begun again because another process had changed the ruleset in between. */
      readonly retries: number
    }
  | {
      readonly mode: 'ipvs'
      readonly virtualServices: { readonly added: number; readonly updated: number; readonly removed: number }
      /** A weight that became 0 to drain is an update. */
      readonly realServers: { readonly added: number; readonly updated: number; readonly removed: number }
      /** Addresses of the dummy device. */
      readonly addresses: ObjectCounts
      /** Transactions of nf_tables beside IPVS. */
      readonly commits: number
      /** Real servers that drain now. */
      readonly draining: number
      /** How often the work was begun again because the kernel was not as it had been left. */
      readonly retries: number
    }
  | {
      readonly mode: 'iptables'
      /** Transactions committed. */
      readonly commits: number
      /** Bytes of their messages. */
      readonly bytes: number
      /** Generation of the ruleset after the last commit or audit. */
      readonly generation: number
      /** How often the work was begun again because another process had changed the ruleset in between. */
      readonly retries: number
    }
  | {
      readonly mode: 'userspace'
      /** Transactions committed. */
      readonly commits: number
      /** Bytes of their messages. */
      readonly bytes: number
      /** Generation of the ruleset after the last commit or audit. */
      readonly generation: number
      /** Relays that listen now. */
      readonly relays: number
      /** How often the work was begun again because another process had changed the ruleset in between. */
      readonly retries: number
    }

/** What a sync or update did. */
export interface SyncReport {
  /** Services written, changed and removed. */
  readonly services: { readonly added: number; readonly changed: number; readonly removed: number }
  /**
   * Objects of the kernel that carry services, written and deleted: elements of nf_tables, virtual services, real servers, addresses, rules of iptables. One that is replaced counts as both. What the call put
   * right on its way counts, too.
   */
  readonly objects: ObjectCounts
  /** Requests that changed the kernel: transactions, and batches of several messages in one system call. */
  readonly requests: number
  readonly durationMs: SyncDurations
  readonly quarantined: readonly Quarantined[]
  readonly details: SyncDetails
  /** Of each carrier what it did: all numbers but those of `services` are among the others. Absent: the plane has no carriers. */
  readonly carriers?: readonly CarrierReport[] | undefined
}

/** What a carrier of a plane did (option `carriers`). */
export interface CarrierReport {
  /** Its name. */
  readonly carrier: string
  readonly report: SyncReport
}

/** A port of this node that a service has, and at which a local process waits, too. */
export interface TakenPort {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  /** Where the process waits: `0.0.0.0`, `::`, or an address of this node at which its ports are served. */
  readonly address: string
  /** Who is reached there instead. */
  readonly service: string
}

/** Something a plane did or found by itself, or one of its carriers. */
export type PlaneEvent = AnyPlaneEvent & {
  /** Name of the carrier that it happened to (option `carriers`). Absent: the plane itself. */
  readonly carrier?: string | undefined
}

/** What a {@link PlaneEvent} may be. */
export type AnyPlaneEvent =
  /** The kernel did not hold what was committed: another process changed what is ours. A repair follows. */
  | { readonly type: 'drift'; readonly objects: readonly string[] }
  /** The drift is gone. */
  | { readonly type: 'repaired'; readonly objects: ObjectCounts; readonly durationMs: number }
  /** Another process undoes each repair: so many in a row. The kernel is audited less often from now on, until it stays as it is. */
  | { readonly type: 'contended'; readonly repairs: number }
  /**
   * A `sync` or `update` is under way: so many services, of those that it changes, are in the kernel, and so many a second have been. Told twice a second at most, and for the first time after half of
   * one; the report of the call says that it has ended. In mode `ipvs` it is the same part of the services as of the virtual and real servers.
   */
  | ({ readonly type: 'progress' } & PlaneProgress)
  /** A service could not be applied. */
  | { readonly type: 'quarantined'; readonly service: string; readonly error: Error }
  /** A service left quarantine: it was applied or is no longer desired. */
  | { readonly type: 'released'; readonly service: string }
  /** Flows that a change left stale were looked for, and deleted. */
  | { readonly type: 'flows'; readonly report: StaleFlowReport }
  /**
   * As many clients of services with affinity are remembered as option `affinityClients` says: more of them are balanced as if they were new, and those that are remembered keep their endpoints. For
   * frontends with an address of their own, or of kind `node`. Found within a second of an audit, and told again when there has been room for a minute in between.
   */
  | {
      readonly type: 'affinityFull'
      readonly family: 'ip' | 'ip6'
      readonly frontends: 'addressed' | 'node'
      readonly clients: number
    }
  /**
   * A local process waits at a port of this node that a service has. Clients from everywhere, this node included, are led to the service, and the process is not reached there. Looked for when such a
   * port comes and with audits, every 10 seconds at most; told once while it lasts.
   */
  | ({ readonly type: 'portTaken' } & TakenPort)
  /**
   * Mode `ipvs` with option `schedulerFallback`: the kernel lacks a scheduler of this name and cannot load its module, so that services which ask for it have `fallback`, a name of IPVS too. Told once
   * by each plane.
   */
  | { readonly type: 'schedulerMissing'; readonly scheduler: string; readonly fallback: string }
  /**
   * Mode `ipvs`: this node answers ARP requests for these IPv4 addresses of services on a link that does not have them, because they lie in a subnet of that link and its `arp_ignore`, or that of `all`, lets it. Where
   * another host is to answer for them, both do; `option` is the one that keeps this node from it. Looked for with each `sync` and audit; told once for each link and address while it lasts.
   */
  | {
      readonly type: 'addressesAnnounced'
      readonly link: string
      /** Sorted; those that were told before are left out. */
      readonly addresses: readonly string[]
      readonly option: 'strictArp'
    }
  /** Mode `userspace` with option `relays.logsConnections`: a connection has ended, or a session of UDP. */
  | ({ readonly type: 'connection'; readonly service: string } & RelayedConnection)
  /** Mode `userspace`: a relay of the service has refused so many connections since the last such event, and why, in words. */
  | { readonly type: 'connectionsRefused'; readonly service: string; readonly count: number; readonly reason: string }
  /** All services are carried by another mode from now on: {@link Plane.switchTo}. The old one leads no new connections any more. */
  | { readonly type: 'switched'; readonly from: PlaneMode; readonly to: PlaneMode }
  /** Nothing is left of a plane that was replaced: its connections have ended, or their time was over, and its objects are gone. */
  | { readonly type: 'left'; readonly mode: PlaneMode; readonly name: string | undefined }
  /** An audit, a repair, an examination of the flows, or the end of a plane that was replaced failed; it is tried again. */
  | { readonly type: 'error'; readonly error: NetplaneError }
  /** A slow consumer missed this many events. */
  | { readonly type: 'lost'; readonly count: number }

/** One examination of the flows after a change. */
export interface StaleFlowReport {
  /** Frontends whose flows were looked at. */
  readonly frontends: number
  /** Flows that were read. */
  readonly scanned: number
  readonly deleted: number
  /** Flows that had gone by themselves when they were to be deleted. */
  readonly vanished: number
  /** Whether the kernel left out flows that cannot match. */
  readonly kernelFiltered: boolean
  readonly durationMs: number
  /** Of the families alone that were looked at: flows that were deleted, and the time that their look took, in milliseconds. */
  readonly families: Readonly<Partial<Record<AddressFamily, { readonly deleted: number; readonly durationMs: number }>>>
}

/** A real server of IPVS that is desired no longer and waits for the end of its connections. An endpoint of a service with several frontends is one for each. */
export interface DrainingEndpoint {
  /** Name of the service; undefined where the plane does not know it. */
  readonly service: string | undefined
  /** The frontend, as IPVS names it: `tcp 10.96.0.1:80`. */
  readonly virtualService: string
  readonly address: string
  readonly port: number
  /** As read last: every second, while the plane is open. Undefined: not yet. */
  readonly activeConnections: number | undefined
  readonly inactiveConnections: number | undefined
  /** Milliseconds until it is removed whatever connections it has; `Infinity`: never. */
  readonly remainingMs: number
}

/** What a status says beside what all planes have in common. */
export type StatusDetails =
  /** `generation`: of the ruleset, after our last commit or audit; 0 before the first. */
  | { readonly mode: 'nftables' | 'iptables'; readonly generation: number }
  | {
      readonly mode: 'userspace'
      /** Of the ruleset, after our last commit or audit; 0 before the first. */
      readonly generation: number
      /** Relays that listen. */
      readonly relays: number
      /** Connections and sessions of UDP that relays have now, those that drain among them. */
      readonly openConnections: number
      /** Connections that relays have refused since the plane was opened, because of a limit, or because no endpoint answered. */
      readonly refusedConnections: number
    }
  | {
      readonly mode: 'ipvs'
      /** Real servers that are desired no longer and wait for the end of their connections. */
      readonly draining: number
      /** These real servers. */
      readonly drainingEndpoints: readonly DrainingEndpoint[]
      /** Schedulers of IPVS that services ask for and the kernel lacks, so that these have another one (option `schedulerFallback`). Sorted. */
      readonly missingSchedulers: readonly string[]
    }

/** Options of {@link Plane.switchTo}. */
export interface SwitchOptions {
  /** `atomic` (default): where the new mode cannot carry a service, nothing changes and the call rejects. `isolate`: such services go into quarantine, and are served no more. */
  readonly onError?: 'isolate' | 'atomic' | undefined
  /** Seconds for which established connections of the old mode may go on that end with its objects: those of IPVS and of relays. 0–2147483, default 900. All others go on by connection tracking, however long. */
  readonly drainSeconds?: number | undefined
  /** Cancels until the new mode carries all services; then nothing has changed. */
  readonly signal?: AbortSignal | undefined
}

/** What a switch did. */
export interface SwitchReport {
  readonly from: PlaneMode
  readonly to: PlaneMode
  /** How the new mode was made to carry the services. */
  readonly sync: SyncReport
  /** Milliseconds until new connections are led by the new mode alone. */
  readonly durationMs: number
}

/** A plane that was replaced, and that some connections still need. */
export interface LeavingPlane {
  readonly mode: PlaneMode
  /** Undefined in mode `iptables`, which has none. */
  readonly name: string | undefined
  /** Connections that end with it, as read last. */
  readonly connections: number
  /** Milliseconds until it goes whatever connections it has. */
  readonly remainingMs: number
}

/** What a plane holds at the moment. */
export interface PlaneStatus {
  /** Services in the kernel. */
  readonly services: number
  readonly quarantined: readonly Quarantined[]
  /** Times that drift was found since the plane was opened. */
  readonly drifts: number
  /** Ports of this node at which local processes wait, too, as seen last: these are not reached there. Absent where the plane does not look. */
  readonly takenPorts?: readonly TakenPort[] | undefined
  /** Addresses of this node at which its ports are served, as seen last (option `nodeAddresses`). Absent before the first frontend of kind `node`, and where the plane does not follow them. */
  readonly nodeAddresses?: readonly string[] | undefined
  /** Stale flows deleted since the plane was opened, and frontends whose flows are still to be looked at; absent where none are deleted. */
  readonly flows?: { readonly deleted: number; readonly pending: number } | undefined
  /** Planes that this one has replaced, until nothing of them is left. Absent: there are none. */
  readonly leaving?: readonly LeavingPlane[] | undefined
  readonly details: StatusDetails
  /** What each carrier holds. All numbers but `services` are among the others. Absent: the plane has no carriers. */
  readonly carriers?: readonly CarrierStatus[] | undefined
}

/** What a carrier of a plane holds at the moment (option `carriers`). */
export interface CarrierStatus {
  /** Its name. */
  readonly carrier: string
  /** Services of which it carries something. */
  readonly services: number
  readonly details: StatusDetails
}

/**
 * A data plane that makes services reachable. Every plane has the same semantics, but for what docs/service-model.md lists; they differ in the kernel subsystem they use. Calls run in call order.
 * An open plane does not keep the process alive.
 */
export interface Plane extends AsyncDisposable {
  /** What {@link Plane.sync} would do. Reads the kernel, changes nothing. */
  plan(services: Services): Promise<Plan>
  /**
   * Makes the kernel hold exactly these services. The first call adopts what an earlier process left: nothing is written where nothing differs.
   *
   * @throws {ValidationError} With `atomic`: a service is malformed, or two claim one frontend. Otherwise they go into quarantine.
   * @throws {NetlinkError} The kernel refused the whole (`EPERM`, `ENOMEM`, `ENFILE`) or, with `atomic`, any part; the services in the kernel are those of before, or are read again by the next call.
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: an object of our name is not ours.
   * @throws {ClosedError} After `close()`.
   */
  sync(services: Services, options?: SyncOptions): Promise<SyncReport>
  /**
   * As {@link Plane.sync} for the named services alone, at a cost that does not depend on how many others there are. Needs one `sync` before.
   */
  update(update: ServiceUpdate, options?: SyncOptions): Promise<SyncReport>
  /**
   * Says what becomes of the first packet of a connection, and why: `String(explanation)` is in English. Follows the packet through what the kernel holds at the moment, not through what was committed, so
   * that drift shows; it needs no `sync` before. What other programs' rules do with the packet is not looked at. Changes nothing.
   *
   * @throws {ValidationError} `request.port` and so on: a field is malformed.
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: an object of our name is not ours.
   * @throws {NetlinkError} The kernel cannot be read: `EPERM`.
   * @throws {ClosedError} After `close()`.
   */
  explain(request: ExplainRequest): Promise<Explanation>
  /** What the plane does and finds by itself, from now on. Ends with `close()`, or with the signal, whose reason the iteration throws. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterableIterator<PlaneEvent>
  /**
   * What was counted of the services in the kernel: new connections of each service and each of its endpoints since the kernel began to count them, and in modes `ipvs` and `userspace` packets and bytes. Those of mode `ipvs` the
   * kernel sums every two seconds (net/netfilter/ipvs/ip_vs_est.c). Reads the kernel, changes nothing. Numbers outlive the process; in mode `nftables` they outlive all changes of a service, too, but for those of a frontend or an endpoint that the service gives up.
   * In mode `iptables` rules of endpoints count, and numbers of an endpoint end with them: when it takes no new connections any more, and when the service gets or loses affinity.
   * In mode `userspace` relays count, in the process, and numbers end with it; packets are datagrams of UDP.
   *
   * @throws {UnsupportedError} The plane is of mode `nftables` and was opened without option `counters`.
   * @throws {NetlinkError} `ENOENT`: the tables are not there; they come with the first `sync`.
   */
  counters(): Promise<PlaneCounters>
  status(): PlaneStatus
  /**
   * Goes on in another mode, with the services that are in the kernel now. The new mode carries them before the old one ends, so that new connections are served throughout, and established ones are not cut: those that connection tracking
   * translates go on without the rules that led them; those of IPVS and of relays for `drainSeconds`, in the background, which `status().leaving` and event `left` tell. Calls that follow wait, and are about the new mode.
   * To and from mode `userspace`, datagrams of UDP go to another endpoint at once. A switch that the end of the process interrupts is finished by the next plane of the old or the new mode and name, after its first `sync`.
   *
   * @param options As for {@link openPlane}: nothing is taken over from the old ones. `netns` must be the same.
   * @throws {ValidationError} An option is malformed, or `mode` is that of the plane already. Nothing has changed.
   * @throws {UnsupportedError} The new mode lacks something, or cannot carry a service. The old mode goes on, and what was made of the new one is removed.
   * @throws {NetlinkError} The same, where the kernel refused something.
   * @throws {NetplaneError} `ERR_NETPLANE_BUSY`: there was no `sync` yet. `ERR_NETPLANE_FOREIGN`: an object of the new mode's name is not ours.
   * @throws {ClosedError} After `close()`.
   */
  switchTo(options: PlaneOptions, how?: SwitchOptions): Promise<SwitchReport>
  /**
   * Waits for calls under way and stops watching. The rules stay, so traffic goes on, but for mode `userspace`, whose relays end; with `cleanup` everything that is ours is removed, and nothing else.
   * Idempotent.
   *
   * @throws {ClosedError} With `cleanup`: the plane was closed without before.
   * @throws {NetplaneError} With `cleanup`: `ERR_NETPLANE_FOREIGN`, an object of our name is not ours; nothing was removed.
   */
  close(options?: { readonly cleanup?: boolean | undefined }): Promise<void>
}
