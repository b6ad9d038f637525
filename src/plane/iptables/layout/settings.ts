/**
 * What rules depend on beside the services.
 */
import type { IptablesFamily } from '../../../iptables/index.js'
import type { PortRange } from '../../core/node/reserved-ports.js'
import type { TrafficSettings } from '../../core/traffic-options.js'

/** What options decide about rules. */
export interface LayoutSettings extends Omit<TrafficSettings, 'nodeAddresses' | 'masqueradeMark'> {
  /** The bit, as a mask, by which packets that get a source address of this node are known until they have it. */
  readonly masqueradeMark: number
  /** Whether forwarded packets that connection tracking calls invalid are dropped. */
  readonly dropInvalid: boolean
  /** TCP ports of this node at which others ask how services are, and which are let in. */
  readonly healthCheckPorts: readonly PortRange[]
  /** Whether ports of this node are served at its loopback addresses, of IPv4. */
  readonly loopbackNodePorts: boolean
}

/** This node's addresses at which frontends of kind `node` are served: all but those of loopback, or these. */
export type NodePlaces = Readonly<Record<IptablesFamily, 'all' | readonly string[]>>
