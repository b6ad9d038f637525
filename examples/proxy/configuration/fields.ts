import * as check from './checks.js'
import { duration, durationOrNanoseconds, flag, gates, integer, modules, number, text, texts, type Kind } from './kinds.js'

/** A field of a document. */
export interface Field<Value> {
  readonly kind: Kind<Value>
  /** Where the field is absent or null. */
  readonly unset: Value
  /** Whether the kind's zero (`""`, `0`, `0s`) is taken for absent, as Go does where a field is no pointer. */
  readonly isZeroUnset: boolean
  /** What is allowed instead; undefined: the value may be. */
  readonly check: (value: Value) => string | undefined
}

const fine = (): undefined => undefined

/** A field of which the kind's zero is an answer, too. */
function plain<Value>(kind: Kind<Value>, unset: Value = kind.zero, allowed: Field<Value>['check'] = fine): Field<Value> {
  return { kind, unset, isZeroUnset: false, check: allowed }
}

/** A field of which the kind's zero asks for the default. */
function nonZero<Value>(kind: Kind<Value>, unset: Value, allowed: Field<Value>['check'] = fine): Field<Value> {
  return { kind, unset, isZeroUnset: true, check: allowed }
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const bit = plain(integer, 14, check.between(0, 31))
const syncPeriod = nonZero(duration, 30 * SECOND, check.positive)
const minSyncPeriod = nonZero(duration, SECOND, check.atLeastZero)
const timeout = plain(duration, 0, check.atLeastZero)

/**
 * Every field of KubeProxyConfiguration v1alpha1, with the defaults of `SetDefaults_KubeProxyConfiguration` and the rules of `pkg/proxy/apis/config/validation`.
 * Names are their paths, so that a name is what stands in a file. Durations are in milliseconds.
 */
export const FIELDS = {
  'clientConnection.kubeconfig': plain(text),
  'clientConnection.acceptContentTypes': plain(text),
  'clientConnection.contentType': nonZero(text, 'application/vnd.kubernetes.protobuf'),
  'clientConnection.qps': nonZero(number, 5),
  'clientConnection.burst': nonZero(integer, 10, check.atLeastZero),
  'logging.format': nonZero(text, 'text', check.oneOf('text', 'json')),
  'logging.flushFrequency': nonZero(durationOrNanoseconds, 5 * SECOND, check.atLeastZero),
  'logging.verbosity': plain(integer, 0, check.atLeastZero),
  'logging.vmodule': plain(modules),
  'logging.options.text.splitStream': plain(flag),
  'logging.options.text.infoBufferSize': nonZero(text, '0', check.quantity),
  'logging.options.json.splitStream': plain(flag),
  'logging.options.json.infoBufferSize': nonZero(text, '0', check.quantity),
  featureGates: plain(gates),
  hostnameOverride: plain(text),
  bindAddress: nonZero(text, '0.0.0.0', check.address),
  healthzBindAddress: plain(text, '', check.endpoint),
  metricsBindAddress: plain(text, '', check.endpoint),
  bindAddressHardFail: plain(flag),
  enableProfiling: plain(flag),
  showHiddenMetricsForVersion: plain(text, '', check.minorVersion),
  mode: nonZero(text, 'iptables', check.oneOf('iptables', 'ipvs', 'nftables', 'userspace')),
  'iptables.masqueradeBit': bit,
  'iptables.masqueradeAll': plain(flag),
  'iptables.localhostNodePorts': plain(flag, true),
  'iptables.syncPeriod': syncPeriod,
  'iptables.minSyncPeriod': minSyncPeriod,
  'ipvs.syncPeriod': syncPeriod,
  'ipvs.minSyncPeriod': plain(duration, 0, check.atLeastZero),
  'ipvs.scheduler': plain(text, '', check.ipvsScheduler),
  'ipvs.excludeCIDRs': plain(texts, [], check.prefixes),
  'ipvs.strictARP': plain(flag),
  'ipvs.tcpTimeout': timeout,
  'ipvs.tcpFinTimeout': timeout,
  'ipvs.udpTimeout': timeout,
  'nftables.masqueradeBit': bit,
  'nftables.masqueradeAll': plain(flag),
  'nftables.syncPeriod': syncPeriod,
  'nftables.minSyncPeriod': minSyncPeriod,
  detectLocalMode: nonZero(text, 'ClusterCIDR', check.oneOf('ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix')),
  'detectLocal.bridgeInterface': plain(text, '', check.device),
  'detectLocal.interfaceNamePrefix': plain(text, '', check.device),
  clusterCIDR: plain(text, '', check.clusterPrefixes),
  nodePortAddresses: plain(texts, [], check.nodePortAddresses),
  oomScoreAdj: plain(integer, -999, check.between(-1000, 1000)),
  configSyncPeriod: nonZero(duration, 15 * MINUTE, check.positive),
  'conntrack.maxPerCore': plain(integer, 32_768, check.atLeastZero),
  'conntrack.min': plain(integer, 131_072, check.atLeastZero),
  'conntrack.tcpEstablishedTimeout': plain(duration, 24 * HOUR, check.atLeastZero),
  'conntrack.tcpCloseWaitTimeout': plain(duration, HOUR, check.atLeastZero),
  'conntrack.tcpBeLiberal': plain(flag),
  'conntrack.udpTimeout': timeout,
  'conntrack.udpStreamTimeout': timeout,
  portRange: plain(text),
  udpIdleTimeout: plain(duration),
  resourceContainer: plain(text),
  'winkernel.networkName': plain(text),
  'winkernel.sourceVip': plain(text),
  'winkernel.enableDSR': plain(flag),
  'winkernel.rootHnsEndpointName': plain(text),
  'winkernel.forwardHealthCheckVip': plain(flag),
  windowsRunAsService: plain(flag)
} as const

/** Fields by their paths. */
export type Fields = Readonly<Record<string, Field<never>>>

/** The values of fields, all resolved. */
export type ValuesOf<Table> = { readonly [Path in keyof Table]: Table[Path] extends Field<infer Value> ? Value : never }

/** KubeProxyConfiguration v1alpha1 with every field resolved, by the paths of the fields. Durations are in milliseconds. */
export type KubeProxyConfiguration = ValuesOf<typeof FIELDS>

/** The path of a field of KubeProxyConfiguration. */
export type FieldPath = keyof KubeProxyConfiguration

/** What netplane's proxy has beside kube-proxy, each named as the option of the command line that it stands for. */
export const NETPLANE_FIELDS = {
  manifests: plain(text),
  name: plain(text),
  netns: plain(text),
  zone: plain(text),
  masquerade: plain(text, '', check.oneOf('never', 'nonLocal', 'all')),
  loopbackNodePorts: plain(flag),
  serviceRanges: plain(texts, [], check.exactPrefixes),
  externalIPRanges: plain(texts, [], check.externalRanges),
  state: plain(text),
  listen: plain(text, '', check.listen),
  ui: plain(flag),
  counters: plain(flag),
  schedulerFallback: plain(text, '', check.schedulerFallback),
  takeOver: plain(flag),
  logLevel: plain(text, '', check.oneOf('trace', 'debug', 'info', 'warn', 'error'))
} as const

/** NetplaneProxyConfiguration v1alpha1. What is empty was not given. */
export type NetplaneConfiguration = ValuesOf<typeof NETPLANE_FIELDS>
