/**
 * Options of the iptables plane.
 */
import { requireFlag } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { FakeKernel } from '../../core/open.js'
import type { NftablesOptions } from '../../nftables/index.js'
import type { LocalSources } from '../core/local-sources.js'
import type { NodeAddressChoice } from '../core/node/addresses.js'
import type { OwnAddresses } from '../core/node/conflicts.js'
import { checkPorts, type PortRange } from '../core/node/reserved-ports.js'
import { checkAuditMs, checkKernel, checkNames } from '../core/options.js'
import { checkTrafficOptions, TRAFFIC_OPTIONS, type TrafficOptions } from '../core/traffic-options.js'
import type { LayoutSettings } from './layout/settings.js'

/** What stands for the kernel: fakes of `netplane/testing`, one for each subsystem. */
export interface IptablesPlaneKernel {
  /** Rules of iptables are kept in nf_tables. */
  readonly nftables: FakeKernel<'nftables'>
  /** Without it, this node has no addresses. */
  readonly route?: FakeKernel<'route'> | undefined
  /** Without it, no stale flows are deleted. */
  readonly conntrack?: FakeKernel<'conntrack'> | undefined
}

/** Options of the iptables plane. */
export interface IptablesPlaneOptions
  extends Omit<TrafficOptions, 'masqueradeBit'>, Pick<NftablesOptions, 'netns' | 'deadlineMs' | 'signal'> {
  /** This mode has none: what is ours has the names of kube-proxy's chains, so that there is one such plane in a namespace. */
  readonly name?: undefined
  /**
   * The bit, 0–31, that marks packets which get a source address of this node, from when they are translated until they have it; default 14, as kube-proxy has it. It goes off then. Whoever forwards
   * marked packets accepts them by it, as rules of chain `KUBE-FORWARD` do.
   */
  readonly masqueradeBit?: number | undefined
  /** `random`: services that ask for another scheduler get it, too, which iptables cannot do. Default: such services are refused. */
  readonly schedulerFallback?: 'random' | undefined
  /**
   * Whether forwarded packets that connection tracking calls invalid are dropped, whoever they are of, as kube-proxy does; default: they are left alone. A packet outside of the TCP window is not
   * translated: the client or this node would answer it with a reset that ends the connection.
   */
  readonly dropInvalid?: boolean | undefined
  /**
   * Whether frontends of kind `node` are served at loopback addresses of this node, too, to itself alone. Default: they are not. The plane sets `net.ipv4.conf.all.route_localnet` then, drops packets to and
   * from `127.0.0.0/8` that come by other links (chain `KUBE-LOCALNET`), and puts the setting back when its chains are cleaned up. Of IPv4 alone: IPv6 has no such setting.
   */
  readonly loopbackNodePorts?: boolean | undefined
  /** TCP ports of this node, 1 to 64 ranges, at which load balancers ask how services are: packets to them are accepted before rules of others in chain `INPUT` see them. Default: none. */
  readonly healthCheckPorts?: readonly PortRange[] | undefined
  /**
   * Whether chains of a kube-proxy in iptables mode are taken over: in one transaction they become ours, and connections stay. kube-proxy must be stopped before, or it writes its own again. Default:
   * chains of these names that no plane has made are foreign.
   */
  readonly takeOver?: boolean | undefined
  /** How often the kernel is audited, milliseconds, 10–3600000; default 100. 0: never. While no other process commits, an audit asks for the generation of the ruleset and nothing else. */
  readonly auditMs?: number | undefined
  /** Default: the kernel. */
  readonly kernel?: IptablesPlaneKernel | undefined
}

/** The options, checked. */
export interface IptablesPlaneSettings {
  readonly layout: LayoutSettings
  readonly nodeAddresses: NodeAddressChoice
  readonly ownAddresses: OwnAddresses
  readonly takeOver: boolean
  /** Whether schedulers that iptables does not have are replaced. */
  readonly hasFallback: boolean
  readonly auditMs: number
  readonly client: NftablesOptions
}

/** kube-proxy's, `--iptables-masquerade-bit`. */
const MASQUERADE_BIT = 14

/** iptables reads a `+` at the end as the end of a prefix. */
function requireOneLink(localSources: LocalSources | undefined): void {
  if (localSources?.by !== 'interface' || !localSources.name.endsWith('+')) return
  const path = `localSources.${localSources.isPrefix ? 'interfacePrefix' : 'bridge'}`
  throw new ValidationError(path, localSources.name, 'a name that does not end with +, which stands for any end in iptables')
}

function checkLayout(options: IptablesPlaneOptions): { readonly layout: LayoutSettings; readonly nodeAddresses: NodeAddressChoice } {
  const masqueradeBit = options.masqueradeBit ?? MASQUERADE_BIT
  const { nodeAddresses, masqueradeMark, ...traffic } = checkTrafficOptions({ ...options, masqueradeBit })
  requireOneLink(traffic.localSources)
  const layout = {
    ...traffic,
    masqueradeMark: masqueradeMark!,
    dropInvalid: requireFlag('dropInvalid', options.dropInvalid),
    loopbackNodePorts: requireFlag('loopbackNodePorts', options.loopbackNodePorts),
    healthCheckPorts: checkPorts('healthCheckPorts', options.healthCheckPorts)?.ranges() ?? []
  }
  return { layout, nodeAddresses }
}

function checkFallback(scheduler: unknown): boolean {
  if (scheduler === undefined || scheduler === 'random') return scheduler !== undefined
  throw new ValidationError('schedulerFallback', scheduler, "'random', which is all that iptables has")
}

/** Refuses what every other mode has. @throws {ValidationError} */
export function requireNoName(name: unknown): void {
  if (name !== undefined) throw new ValidationError('name', name, "nothing in mode 'iptables', whose chains have kube-proxy's names")
}

/** Checks options. @throws {ValidationError} */
export function checkIptablesPlaneOptions(options: IptablesPlaneOptions): IptablesPlaneSettings {
  checkNames(options, [...TRAFFIC_OPTIONS, 'schedulerFallback', 'dropInvalid', 'loopbackNodePorts', 'healthCheckPorts', 'takeOver'])
  requireNoName(options.name)
  const { netns, deadlineMs, signal } = options
  const kernel = checkKernel(options.kernel, ['nftables'])
  const { layout, nodeAddresses } = checkLayout(options)
  return {
    ...{ layout, nodeAddresses, ownAddresses: layout.ownAddresses },
    takeOver: requireFlag('takeOver', options.takeOver),
    hasFallback: checkFallback(options.schedulerFallback),
    auditMs: checkAuditMs(options.auditMs, { min: 10, fallback: 100 }),
    client: { netns, deadlineMs, signal, kernel: kernel?.nftables }
  }
}
