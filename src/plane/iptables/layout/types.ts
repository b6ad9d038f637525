/**
 * What services become in iptables: chains with their rules.
 */
import type { IptablesFamily, IptablesTableName } from '../../../iptables/index.js'
import type { IptablesRule } from '../../../iptables/rule/model.js'

/** A chain, or a place in one, and rules in their order. */
export interface ChainRules {
  readonly table: IptablesTableName
  readonly chain: string
  readonly rules: readonly IptablesRule[]
}

/** What a service is in one family. */
export interface ServiceRules {
  readonly family: IptablesFamily
  /** Chains of its own, whole: `KUBE-SVC-…`, `KUBE-SVL-…`, `KUBE-EXT-…`, `KUBE-EXL-…`, `KUBE-FW-…` (also in `filter`), `KUBE-SEP-…`. */
  readonly chains: readonly ChainRules[]
  /** Rules in chains that all services share: `KUBE-SERVICES`, `KUBE-NODEPORTS`, `KUBE-EXTERNAL-SERVICES`, `KUBE-PROXY-FIREWALL`, `KUBE-CLUSTER-IPS`. */
  readonly shared: readonly ChainRules[]
}

/** What is there for all services of one family together. */
export interface Frame {
  readonly family: IptablesFamily
  /** Chains with nothing but these rules. */
  readonly chains: readonly ChainRules[]
  /** Chains with rules of services, and what comes after these there. */
  readonly shared: readonly ChainRules[]
  /** Rules of base chains, which come before those of others, in this order. */
  readonly jumps: readonly ChainRules[]
}
