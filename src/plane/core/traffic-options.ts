/**
 * Options about traffic that all planes have.
 */
import type { OwnAddresses } from './node/conflicts.js'
import type { AddressFamily } from '../../core/address.js'
import { requireFields, requireInteger } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { checkOneOf, requireOwnAddress } from './accept/checks.js'
import { checkLocalSources, type LocalSources, type LocalSourcesOption } from './local-sources.js'
import { checkNodeAddresses, type NodeAddressChoice, type NodeAddressesOption } from './node/addresses.js'
import { requireRanges, type RangesByFamily } from './ranges.js'

/** Which connections to `cluster` frontends get a source address of this node. */
export type Masquerade = 'never' | 'nonLocal' | 'all'

/** Options about clients and addresses. */
export interface TrafficOptions {
  /**
   * Who is a local client, a pod of this node usually: answers of endpoints come back to it through this node without help. A list of prefixes, `{ bridge }` for what comes in through a bridge, or
   * `{ interfacePrefix }` for what comes in through links whose names begin so. Absent: nobody is. Local clients reach all endpoints of frontends whose policy is `local`.
   */
  readonly localSources?: LocalSourcesOption | undefined
  /**
   * Which connections to `cluster` frontends get a source address of this node: `never`; `nonLocal`, those of clients that are not in `localSources`; `all`. Default: `nonLocal` where `localSources`
   * is given, else `never`. Connections of an endpoint to itself always do, and so do those to other frontends with policy `cluster`.
   */
  readonly masquerade?: Masquerade | undefined
  /** The source address that such connections get, by family; not unspecified, multicast, broadcast, loopback or IPv4-mapped. Default: that of the link by which they leave. */
  readonly masqueradeAddress?: Readonly<Partial<Record<AddressFamily, string>>> | undefined
  /** A bit, 0–31, that is set in the mark of packets that get such an address; default: none. */
  readonly masqueradeBit?: number | undefined
  /** Which of this node's addresses serve frontends of kind `node`; default `all`. They are followed as they come and go. */
  readonly nodeAddresses?: NodeAddressesOption | undefined
  /**
   * What becomes of a service with a frontend of kind `external` or `loadBalancer` at an address of this node at which frontends of kind `node` are served: `refuse` (default), it is in quarantine, as
   * one of the two was meant otherwise; `serve`, as Kubernetes does: at that address and port it comes before a frontend of kind `node`, and local processes keep all other ports.
   */
  readonly ownAddresses?: OwnAddresses | undefined
  /** Prefixes out of which cluster addresses are given: new connections to addresses in them that no service has are dropped. Default: they are left alone. */
  readonly serviceRanges?: readonly string[] | undefined
}

/** Their names, but for those that every plane has. */
export const TRAFFIC_OPTIONS = [
  'masquerade',
  'masqueradeAddress',
  'masqueradeBit',
  'nodeAddresses',
  'ownAddresses',
  'serviceRanges'
] as const

/** {@link TrafficOptions}, checked. */
export interface TrafficSettings {
  readonly localSources: LocalSources | undefined
  readonly masquerade: Masquerade
  readonly masqueradeAddress: Readonly<Partial<Record<AddressFamily, string>>>
  readonly masqueradeMark: number | undefined
  readonly nodeAddresses: NodeAddressChoice
  readonly ownAddresses: OwnAddresses
  readonly serviceRanges: RangesByFamily | undefined
}

const MASQUERADES = ['never', 'nonLocal', 'all'] as const

function checkMasquerade(masquerade: Masquerade | undefined, localSources: LocalSources | undefined): Masquerade {
  if (masquerade === undefined) return localSources === undefined ? 'never' : 'nonLocal'
  checkOneOf('masquerade', masquerade, MASQUERADES)
  return masquerade
}

function checkAddresses(addresses: unknown): Readonly<Partial<Record<AddressFamily, string>>> {
  if (addresses === undefined) return {}
  for (const [family, address] of Object.entries(requireFields('masqueradeAddress', addresses, '{ ip, ip6 }'))) {
    if (family !== 'ip' && family !== 'ip6') throw new ValidationError(`masqueradeAddress.${family}`, address, 'ip or ip6')
    if (address !== undefined) requireOwnAddress(`masqueradeAddress.${family}`, address, family)
  }
  return { ...addresses }
}

const MAX_BIT = 31

/** A bit of the mark as a mask; undefined: none. @throws {ValidationError} */
export function bitMask(path: string, bit: number | undefined): number | undefined {
  return bit === undefined ? undefined : 2 ** requireInteger(path, bit, 0, MAX_BIT)
}

function checkOwnAddresses(ownAddresses: OwnAddresses = 'refuse'): OwnAddresses {
  checkOneOf('ownAddresses', ownAddresses, ['refuse', 'serve'])
  return ownAddresses
}

/** Checks options. @throws {ValidationError} */
export function checkTrafficOptions(options: TrafficOptions): TrafficSettings {
  const localSources = checkLocalSources(options.localSources)
  const { masqueradeBit, serviceRanges } = options
  return {
    localSources,
    masquerade: checkMasquerade(options.masquerade, localSources),
    masqueradeAddress: checkAddresses(options.masqueradeAddress),
    masqueradeMark: bitMask('masqueradeBit', masqueradeBit),
    nodeAddresses: checkNodeAddresses(options.nodeAddresses),
    ownAddresses: checkOwnAddresses(options.ownAddresses),
    serviceRanges: serviceRanges === undefined ? undefined : requireRanges('serviceRanges', serviceRanges)
  }
}
