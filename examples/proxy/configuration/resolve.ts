import { isIP } from 'node:net'
import { joinEndpoint } from '../endpoint.js'
import { splitEndpoint } from './checks.js'
import type { FaultSink, Place } from './faults.js'
import { FIELDS, type FieldPath, type Fields, type KubeProxyConfiguration } from './fields.js'
import { resolveFields, type GivenFields } from './reading.js'

const NOWHERE: Place = { source: 'kube-proxy' }

/** An address of HTTP, complete: the default follows the family of `bindAddress`, and an address alone gets the usual port. */
function completeEndpoint(value: string, host: string, port: number): string {
  if (value === '') return joinEndpoint({ host, port })
  const parts = splitEndpoint(value)
  return parts?.port === undefined ? joinEndpoint({ host: value, port }) : value
}

/** The ports of `/healthz` and `/metrics`, pkg/cluster/ports. */
const HEALTHZ_PORT = 10_256
const METRICS_PORT = 10_249

interface Rule {
  /** The field that is told. */
  readonly field: FieldPath
  readonly isBroken: (configuration: KubeProxyConfiguration) => boolean
  readonly message: string
}

const periods = (mode: 'iptables' | 'ipvs' | 'nftables'): Rule => ({
  field: `${mode}.minSyncPeriod`,
  isBroken: (configuration) => configuration[`${mode}.minSyncPeriod`] > configuration[`${mode}.syncPeriod`],
  message: `not more than ${mode}.syncPeriod is wanted`
})

/** What no field can say by itself. */
const RULES: readonly Rule[] = [
  ...(['iptables', 'ipvs', 'nftables'] as const).map(periods),
  {
    field: 'detectLocal.bridgeInterface',
    isBroken: ({ detectLocalMode, 'detectLocal.bridgeInterface': name }) => detectLocalMode === 'BridgeInterface' && name === '',
    message: 'the name of the bridge is missing, which detectLocalMode BridgeInterface needs'
  },
  {
    field: 'detectLocal.interfaceNamePrefix',
    isBroken: ({ detectLocalMode, 'detectLocal.interfaceNamePrefix': prefix }) =>
      detectLocalMode === 'InterfaceNamePrefix' && prefix === '',
    message: 'the beginning of the names is missing, which detectLocalMode InterfaceNamePrefix needs'
  }
]

/** The sections that only one mode reads: kube-proxy does not look at their values in another mode. */
function isOfOtherMode(mode: string): (path: string) => boolean {
  return (path) => ['ipvs', 'nftables'].some((section) => section !== mode && path.startsWith(`${section}.`))
}

/** What KubeProxyConfiguration says, with every default, checked. @param around Where the document stands, for what stands nowhere in it. */
export function resolveConfiguration(given: GivenFields, faults: FaultSink, around: Place = NOWHERE): KubeProxyConfiguration {
  const asked = given.get('mode')?.value
  const isLenient = isOfOtherMode(typeof asked === 'string' && asked !== '' ? asked : FIELDS.mode.unset)
  const found = resolveFields(FIELDS as unknown as Fields, given, faults, isLenient) as unknown as KubeProxyConfiguration
  for (const { field, isBroken, message } of RULES)
    if (isBroken(found)) faults[isLenient(field) ? 'warn' : 'error'](given.get(field)?.place ?? around, field, message)
  const isIpv6 = isIP(found.bindAddress) === 6
  return {
    ...found,
    healthzBindAddress: completeEndpoint(found.healthzBindAddress, isIpv6 ? '::' : '0.0.0.0', HEALTHZ_PORT),
    metricsBindAddress: completeEndpoint(found.metricsBindAddress, isIpv6 ? '::1' : '127.0.0.1', METRICS_PORT)
  }
}
