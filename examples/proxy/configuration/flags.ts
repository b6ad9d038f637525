import { FIELDS, type Field, type FieldPath } from './fields.js'
import type { FaultSink } from './faults.js'
import { duration } from './kinds.js'
import type { Given, GivenFields } from './reading.js'

/** The options of kube-proxy's command line that stand for fields, with these fields. */
export const FIELD_FLAGS = {
  'bind-address': ['bindAddress'],
  'bind-address-hard-fail': ['bindAddressHardFail'],
  'cluster-cidr': ['clusterCIDR'],
  'config-sync-period': ['configSyncPeriod'],
  'conntrack-max-per-core': ['conntrack.maxPerCore'],
  'conntrack-min': ['conntrack.min'],
  'conntrack-tcp-be-liberal': ['conntrack.tcpBeLiberal'],
  'conntrack-tcp-timeout-close-wait': ['conntrack.tcpCloseWaitTimeout'],
  'conntrack-tcp-timeout-established': ['conntrack.tcpEstablishedTimeout'],
  'conntrack-udp-timeout': ['conntrack.udpTimeout'],
  'conntrack-udp-timeout-stream': ['conntrack.udpStreamTimeout'],
  'detect-local-mode': ['detectLocalMode'],
  'feature-gates': ['featureGates'],
  'healthz-bind-address': ['healthzBindAddress'],
  'hostname-override': ['hostnameOverride'],
  'iptables-localhost-nodeports': ['iptables.localhostNodePorts'],
  'iptables-masquerade-bit': ['iptables.masqueradeBit'],
  // kube-proxy has no option for mode nftables alone, and takes these two there, too.
  'iptables-min-sync-period': ['iptables.minSyncPeriod', 'nftables.minSyncPeriod'],
  'iptables-sync-period': ['iptables.syncPeriod', 'nftables.syncPeriod'],
  'ipvs-exclude-cidrs': ['ipvs.excludeCIDRs'],
  'ipvs-min-sync-period': ['ipvs.minSyncPeriod'],
  'ipvs-scheduler': ['ipvs.scheduler'],
  'ipvs-strict-arp': ['ipvs.strictARP'],
  'ipvs-sync-period': ['ipvs.syncPeriod'],
  'ipvs-tcp-timeout': ['ipvs.tcpTimeout'],
  'ipvs-tcpfin-timeout': ['ipvs.tcpFinTimeout'],
  'ipvs-udp-timeout': ['ipvs.udpTimeout'],
  'kube-api-burst': ['clientConnection.burst'],
  'kube-api-content-type': ['clientConnection.contentType'],
  'kube-api-qps': ['clientConnection.qps'],
  kubeconfig: ['clientConnection.kubeconfig'],
  'log-flush-frequency': ['logging.flushFrequency'],
  'log-json-info-buffer-size': ['logging.options.json.infoBufferSize'],
  'log-json-split-stream': ['logging.options.json.splitStream'],
  'log-text-info-buffer-size': ['logging.options.text.infoBufferSize'],
  'log-text-split-stream': ['logging.options.text.splitStream'],
  'logging-format': ['logging.format'],
  'masquerade-all': ['iptables.masqueradeAll', 'nftables.masqueradeAll'],
  'metrics-bind-address': ['metricsBindAddress'],
  'nodeport-addresses': ['nodePortAddresses'],
  'oom-score-adj': ['oomScoreAdj'],
  'pod-bridge-interface': ['detectLocal.bridgeInterface'],
  'pod-interface-name-prefix': ['detectLocal.interfaceNamePrefix'],
  profiling: ['enableProfiling'],
  'proxy-mode': ['mode'],
  'show-hidden-metrics-for-version': ['showHiddenMetricsForVersion'],
  v: ['logging.verbosity'],
  vmodule: ['logging.vmodule']
} as const satisfies Readonly<Record<string, readonly FieldPath[]>>

/** An option of kube-proxy that stands for fields. */
export type FieldFlag = keyof typeof FIELD_FLAGS

/** All such options. */
export const FIELD_FLAG_NAMES = Object.keys(FIELD_FLAGS) as FieldFlag[]

const fieldOf = (flag: FieldFlag): Field<unknown> => FIELDS[FIELD_FLAGS[flag][0]] as Field<unknown>

/** Options of kube-proxy that may stand without a value, and are true then. */
const SWITCHES: ReadonlySet<string> = new Set(FIELD_FLAG_NAMES.filter((name) => typeof fieldOf(name).kind.zero === 'boolean'))

/** Options that add to each other where they are given several times, as lists and maps of Go's pflag do. */
export function isListFlag(flag: FieldFlag): boolean {
  return typeof fieldOf(flag).kind.zero === 'object'
}

/** Options of this proxy, too: those come before what a file says. */
const OWN: readonly FieldFlag[] = ['hostname-override', 'kubeconfig', 'kube-api-qps', 'kube-api-burst']

/** Those that hold beside a file of configuration: this proxy's own, and as for kube-proxy the log's, which `Options.Complete` copies. */
function holdsBesideFile(flag: FieldFlag): boolean {
  return OWN.includes(flag) || FIELD_FLAGS[flag][0].startsWith('logging.')
}

/** The first of a pair has no value of its own in Go's way of writing; `--name=false` is how a switch is turned off. */
const TRUE = /^(?:1|t|T|true|TRUE|True)$/
const FALSE = /^(?:0|f|F|false|FALSE|False)$/

function normaliseOne(arg: string, ownSwitches: ReadonlySet<string>): string[] {
  // `-v=4`, and one dash before a long name is not Go's pflag either.
  const word = /^-v=/.test(arg) ? `-${arg}` : arg
  const [, name = '', value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? []
  if (SWITCHES.has(name) && value === undefined) return [`${word}=true`]
  if (!ownSwitches.has(name) || value === undefined) return [word]
  if (TRUE.test(value)) return [`--${name}`]
  return FALSE.test(value) ? [] : [word]
}

const VALUED: ReadonlySet<string> = new Set(FIELD_FLAG_NAMES.filter((name) => !SWITCHES.has(name)).map((name) => `--${name}`))

/** A number below 0 is a value, and no option: `--oom-score-adj -998`. */
function joinNegative(args: readonly string[]): string[] {
  const joined: string[] = []
  for (const arg of args) {
    if (/^-[0-9]/.test(arg) && VALUED.has(joined.at(-1) ?? '')) joined.push(`${joined.pop()!}=${arg}`)
    else joined.push(arg)
  }
  return joined
}

/** Brings arguments as Go's programs take them (`--cleanup=true`, `-v=4`, `--oom-score-adj -998`, a switch alone) into the form of `node:util`. @param ownSwitches Names of the other options without a value. */
export function normaliseArguments(args: readonly string[], ownSwitches: ReadonlySet<string>): string[] {
  return joinNegative(args).flatMap((arg) => normaliseOne(arg, ownSwitches))
}

/** What an option says, however often it was given. An empty list adds nothing. */
function wordOf(given: string | readonly string[]): string {
  return typeof given === 'string' ? given : given.filter((word) => word !== '').join(',')
}

function readFlag(flag: FieldFlag, word: string, faults: FaultSink): readonly (readonly [FieldPath, Given])[] {
  const { kind } = fieldOf(flag)
  const place = { source: `--${flag}` }
  const value = kind.parse(word)
  if (value === undefined) {
    faults.error(place, '', `${JSON.stringify(word)} is not ${kind.wanted}`)
    return []
  }
  // Go takes a period of 0 for what it is, where a file asks for the default by it.
  const isExact = kind === duration
  return FIELD_FLAGS[flag].map((path) => [path, { value, place, isExact }] as const)
}

/**
 * What the fields are when the command line has been read, too.
 *
 * @param file What a file gives; undefined: there is none. With a file most options of kube-proxy have no effect, and each of them is warned about.
 */
export function overlayFlags(
  values: Readonly<Partial<Record<FieldFlag, string | readonly string[]>>>,
  file: GivenFields | undefined,
  faults: FaultSink
): GivenFields {
  const given = new Map(file)
  for (const flag of FIELD_FLAG_NAMES) {
    const word = values[flag]
    // Without a name that of the file, or of the host, counts.
    if (word === undefined || (flag === 'hostname-override' && word === '')) continue
    if (file !== undefined && !holdsBesideFile(flag)) {
      faults.warn({ source: `--${flag}` }, '', 'the option has no effect beside --config: the file says it')
      continue
    }
    for (const [path, value] of readFlag(flag, wordOf(word), faults)) given.set(path, value)
  }
  return given
}
