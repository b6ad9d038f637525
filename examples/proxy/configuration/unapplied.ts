import { isIP } from 'node:net'
import type { FaultSink, Place } from './faults.js'
import { FIELDS, type Field, type FieldPath, type KubeProxyConfiguration } from './fields.js'
import type { GivenFields } from './reading.js'
import { encodingNamed } from '../sources/api/encoding/choose.js'

/** The feature gate of kube-proxy that the proxy knows. */
export const LOOPBACK_GATE = 'KubeProxyNFTablesLocalhostNodePorts'

const ENCODINGS = 'objects are asked for as application/vnd.kubernetes.protobuf or application/json'
const WRITTEN = 'what is written (Events) is JSON, and acceptContentTypes says what is asked for'
const LOG = 'every line of the log is JSON, and is written at once'
const WINDOWS = 'it is for Windows'

/** Why a field has no effect here, by its path, or in which modes: told where it asks for something else than its default. */
const REASONS: Readonly<Partial<Record<FieldPath, string | ((configuration: KubeProxyConfiguration) => string | undefined)>>> = {
  'clientConnection.acceptContentTypes': ({ 'clientConnection.acceptContentTypes': types }) =>
    encodingNamed(types) === undefined ? ENCODINGS : undefined,
  'clientConnection.contentType': ({ 'clientConnection.acceptContentTypes': accepted, 'clientConnection.contentType': type }) => {
    if (encodingNamed(accepted) !== undefined) return WRITTEN
    return encodingNamed(type) === undefined ? ENCODINGS : undefined
  },
  'logging.flushFrequency': LOG,
  'logging.options.text.splitStream': LOG,
  'logging.options.text.infoBufferSize': LOG,
  'logging.options.json.splitStream': LOG,
  'logging.options.json.infoBufferSize': LOG,
  'logging.vmodule': 'the files of kube-proxy are not those of this program: logging.verbosity holds for all of them',
  showHiddenMetricsForVersion: 'no metric is hidden here',
  configSyncPeriod: 'sources are watched: nothing grows old',
  portRange: 'relays of mode userspace listen at ports that the kernel chooses',
  udpIdleTimeout: ({ mode }) => (mode === 'userspace' ? undefined : 'only mode userspace has sessions that it would end'),
  resourceContainer: 'kube-proxy has no such field any more',
  'winkernel.networkName': WINDOWS,
  'winkernel.sourceVip': WINDOWS,
  'winkernel.enableDSR': WINDOWS,
  'winkernel.rootHnsEndpointName': WINDOWS,
  'winkernel.forwardHealthCheckVip': WINDOWS,
  windowsRunAsService: WINDOWS
}

/** True where the value asks for what happens anyway. */
function isDefault(path: FieldPath, value: unknown): boolean {
  const { unset, kind } = FIELDS[path] as Field<unknown>
  return value === unset || JSON.stringify(value) === JSON.stringify(unset) || value === kind.zero
}

/** Warns of what was asked for and cannot be done here. */
export function warnUnapplied(configuration: KubeProxyConfiguration, given: GivenFields, faults: FaultSink): void {
  const placeOf = (path: FieldPath): Place => given.get(path)?.place ?? { source: 'kube-proxy' }
  for (const [name, because] of Object.entries(REASONS)) {
    const path = name as FieldPath
    const reason = typeof because === 'string' ? because : because(configuration)
    if (reason !== undefined && given.has(path) && !isDefault(path, configuration[path]))
      faults.warn(placeOf(path), path, `it has no effect: ${reason}`)
  }
  for (const gate of Object.keys(configuration.featureGates))
    if (gate !== LOOPBACK_GATE)
      faults.warn(placeOf('featureGates'), `featureGates.${gate}`, 'it has no effect: the proxy has no such feature to switch')
  if (isSpecific(configuration.bindAddress) && !configuration.nodePortAddresses.includes('primary') && !isPrimaryByDefault(configuration))
    faults.warn(
      placeOf('bindAddress'),
      'bindAddress',
      'it has no effect: it is the primary address of this node for nodePortAddresses primary alone'
    )
}

/** Whether it is an address, and not a word for all. */
export function isSpecific(address: string): boolean {
  return isIP(address) !== 0 && address !== '0.0.0.0' && address !== '::'
}

/** kube-proxy serves node ports at primary addresses where nothing is said, in mode nftables. */
export function isPrimaryByDefault({ mode, nodePortAddresses }: KubeProxyConfiguration): boolean {
  return mode === 'nftables' && nodePortAddresses.length === 0
}
