import { availableParallelism } from 'node:os'
import type { ConntrackSettings, IptablesPlaneOptions, IpvsPlaneOptions, UserspacePlaneOptions } from 'netplane'
import type { Endpoint } from '../endpoint.js'
import type { ApiOptions } from '../options.js'
import { normalizePrefix } from '../kubernetes/addresses.js'
import { splitEndpoint } from './checks.js'
import type { FaultSink } from './faults.js'
import type { KubeProxyConfiguration } from './fields.js'
import { nodePortPlaces } from './node-ports.js'
import type { GivenFields } from './reading.js'
import { warnUnapplied } from './unapplied.js'
import { encodingNamed } from '../sources/api/encoding/choose.js'
import { CLIENT_DEFAULTS } from '../sources/api/rate.js'

/** The settings of connection tracking that kube-proxy writes. */
export type ConntrackLimits = Partial<
  Pick<
    ConntrackSettings,
    | 'maxEntries'
    | 'tcpEstablishedTimeoutSeconds'
    | 'tcpCloseWaitTimeoutSeconds'
    | 'tcpBeLiberal'
    | 'udpTimeoutSeconds'
    | 'udpStreamTimeoutSeconds'
  >
>

/** What a configuration of kube-proxy asks for beyond the options of the command line. */
export interface Configured {
  /** How often an API server may be asked, and for what. */
  readonly api: Pick<ApiOptions, 'qps' | 'burst' | 'encoding'>
  readonly plane: Pick<IpvsPlaneOptions, 'scheduler' | 'excludeCIDRs' | 'strictArp' | 'timeouts'> &
    Pick<IptablesPlaneOptions, 'dropInvalid' | 'loopbackNodePorts'> &
    Pick<UserspacePlaneOptions, 'relays'>
  readonly masqueradeBit: number
  /** Local clients have addresses in the prefixes of pods that the Node of this name has. */
  readonly isLocalByNode: boolean
  readonly conntrack: ConntrackLimits
  readonly oomScoreAdj: number
  /** Milliseconds from the end of a sync to the next one at least. */
  readonly minSyncMs: number
  /** Milliseconds between two attempts at most; a change that has waited twice as long makes this node unhealthy. */
  readonly syncMs: number
  readonly healthz: Endpoint
  readonly metrics: Endpoint
  /** Whether the proxy ends where it cannot listen; else it tries again. */
  readonly isListeningRequired: boolean
  readonly configuration: KubeProxyConfiguration
}

/** As client-go asks: for the types that are accepted, else for the one that is written; where there is none of them here, as if they were not there. */
function encodingOf({
  'clientConnection.acceptContentTypes': accepted,
  'clientConnection.contentType': written
}: KubeProxyConfiguration): ApiOptions['encoding'] {
  return encodingNamed(accepted) ?? encodingNamed(written) ?? CLIENT_DEFAULTS.encoding
}

/** Options of the command line that follow from a configuration, by their names. */
export interface ConfiguredValues {
  readonly kubeconfig: string | undefined
  readonly mode: string
  readonly 'node-name': string | undefined
  readonly 'local-sources': string | undefined
  readonly 'local-bridge': string | undefined
  readonly 'local-interface-prefix': string | undefined
  readonly masquerade: string | undefined
  readonly 'node-port-addresses': string
  readonly 'log-level': string
}

/** As kube-proxy takes them: bits beyond the length say nothing. */
function withoutHostBits(prefixes: readonly string[]): string[] {
  return prefixes.map((prefix) => normalizePrefix(prefix) ?? prefix)
}

const nonEmpty = (text: string): string | undefined => (text === '' ? undefined : text)

type LocalClients = Pick<ConfiguredValues, 'local-sources' | 'local-bridge' | 'local-interface-prefix'>

/** Who is local, by `detectLocalMode`. With NodeCIDR the Node says it. */
function localClients(configuration: KubeProxyConfiguration): LocalClients {
  const { detectLocalMode, clusterCIDR } = configuration
  return {
    'local-sources': detectLocalMode === 'ClusterCIDR' ? nonEmpty(withoutHostBits(clusterCIDR.split(',')).join(',')) : undefined,
    'local-bridge': detectLocalMode === 'BridgeInterface' ? configuration['detectLocal.bridgeInterface'] : undefined,
    'local-interface-prefix': detectLocalMode === 'InterfaceNamePrefix' ? configuration['detectLocal.interfaceNamePrefix'] : undefined
  }
}

/** Whole seconds, of which the kernel counts; 0: it is left as it is. */
function seconds(ms: number): number | undefined {
  return ms === 0 ? undefined : Math.max(1, Math.round(ms / 1000))
}

function given<Value extends object>(values: Value): { [Key in keyof Value]: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
}

/** `getConntrackMax` of kube-proxy, which takes no more than this. */
const MOST_ENTRIES = 1_048_576

function conntrackLimits(configuration: KubeProxyConfiguration, cores: number): ConntrackLimits {
  const { 'conntrack.maxPerCore': perCore, 'conntrack.min': min } = configuration
  return given({
    maxEntries: perCore === 0 ? undefined : Math.max(min, Math.min(perCore * cores, MOST_ENTRIES)),
    tcpEstablishedTimeoutSeconds: seconds(configuration['conntrack.tcpEstablishedTimeout']),
    tcpCloseWaitTimeoutSeconds: seconds(configuration['conntrack.tcpCloseWaitTimeout']),
    tcpBeLiberal: configuration['conntrack.tcpBeLiberal'] || undefined,
    udpTimeoutSeconds: seconds(configuration['conntrack.udpTimeout']),
    udpStreamTimeoutSeconds: seconds(configuration['conntrack.udpStreamTimeout'])
  })
}

function ipvsOptions(configuration: KubeProxyConfiguration): Configured['plane'] {
  const timeouts = given({
    tcpSeconds: seconds(configuration['ipvs.tcpTimeout']),
    tcpFinSeconds: seconds(configuration['ipvs.tcpFinTimeout']),
    udpSeconds: seconds(configuration['ipvs.udpTimeout'])
  })
  return {
    scheduler: (nonEmpty(configuration['ipvs.scheduler']) ?? 'rr') as NonNullable<IpvsPlaneOptions['scheduler']>,
    excludeCIDRs: withoutHostBits(configuration['ipvs.excludeCIDRs']),
    strictArp: configuration['ipvs.strictARP'],
    timeouts: Object.keys(timeouts).length === 0 ? undefined : timeouts
  }
}

function planeOptions(configuration: KubeProxyConfiguration, loopbackNodePorts: boolean): Configured['plane'] {
  const { mode, 'conntrack.tcpBeLiberal': isLiberal } = configuration
  if (mode === 'ipvs') return ipvsOptions(configuration)
  if (mode === 'userspace') return { loopbackNodePorts, relays: { udpIdleSeconds: seconds(configuration.udpIdleTimeout) } }
  return mode === 'iptables' ? { dropInvalid: !isLiberal, loopbackNodePorts } : { loopbackNodePorts }
}

/** The log of kube-proxy says from verbosity 4 on what is for debugging, and from 6 on every request. */
export function logLevel(verbosity: number): string {
  return verbosity >= 6 ? 'trace' : verbosity >= 4 ? 'debug' : 'info'
}

/** Which section says what all modes have. Mode ipvs has the rules of mode iptables beside it, in kube-proxy, as mode userspace had. */
function sectionOf(mode: string): 'iptables' | 'nftables' {
  return mode === 'nftables' ? 'nftables' : 'iptables'
}

function endpointOf(value: string): Endpoint {
  const { host, port } = splitEndpoint(value)!
  return { host, port: port ?? 0 }
}

/**
 * Translates a configuration into what the daemon does.
 *
 * @param around What it does not say: processors of this machine, and whether relays serve node ports at loopback addresses whatever it says.
 */
export function translateConfiguration(
  configuration: KubeProxyConfiguration,
  fields: GivenFields,
  faults: FaultSink,
  { cores = availableParallelism(), isLoopbackCarried = false }: { readonly cores?: number; readonly isLoopbackCarried?: boolean } = {}
): { readonly values: ConfiguredValues; readonly configured: Configured } {
  warnUnapplied(configuration, fields, faults)
  const { mode, hostnameOverride } = configuration
  const section = sectionOf(mode)
  const period = mode === 'ipvs' ? 'ipvs' : section
  const places = nodePortPlaces(
    configuration,
    fields.get('nodePortAddresses')?.place ?? { source: 'kube-proxy' },
    faults,
    isLoopbackCarried
  )
  const { nodeAddresses } = places
  return {
    values: {
      kubeconfig: nonEmpty(configuration['clientConnection.kubeconfig']),
      mode,
      'node-name': nonEmpty(hostnameOverride.trim().toLowerCase()),
      ...localClients(configuration),
      // Endpoints see this node in any case, behind relays.
      masquerade: mode !== 'userspace' && configuration[`${section}.masqueradeAll`] ? 'all' : undefined,
      'node-port-addresses': typeof nodeAddresses === 'string' ? nodeAddresses : nodeAddresses.join(','),
      'log-level': logLevel(configuration['logging.verbosity'])
    },
    configured: {
      api: {
        qps: configuration['clientConnection.qps'],
        burst: configuration['clientConnection.burst'],
        encoding: encodingOf(configuration)
      },
      plane: planeOptions(configuration, places.loopbackNodePorts),
      masqueradeBit: configuration[`${section}.masqueradeBit`],
      isLocalByNode: configuration.detectLocalMode === 'NodeCIDR',
      conntrack: conntrackLimits(configuration, cores),
      oomScoreAdj: configuration.oomScoreAdj,
      minSyncMs: configuration[`${period}.minSyncPeriod`],
      syncMs: configuration[`${period}.syncPeriod`],
      healthz: endpointOf(configuration.healthzBindAddress),
      metrics: endpointOf(configuration.metricsBindAddress),
      isListeningRequired: configuration.bindAddressHardFail,
      configuration
    }
  }
}
