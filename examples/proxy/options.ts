import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import {
  IPVS_SCHEDULERS,
  type IptablesPlaneOptions,
  type IpvsPlaneOptions,
  type LocalSourcesOption,
  type Masquerade,
  type ModelScheduler,
  type NodeAddressesOption,
  type Scheduler,
  type TrafficOptions,
  type UserspacePlaneOptions
} from 'netplane'
import type { Configured } from './configuration/translate.js'
import { parseEndpoint, type Endpoint } from './endpoint.js'
import { normalizePrefix } from './kubernetes/addresses.js'
import { isInCluster, type ClusterEnvironment } from './sources/access/find.js'
import type { EncodingName } from './sources/api/encoding/choose.js'
import { CLIENT_DEFAULTS } from './sources/api/rate.js'

export const USAGE = `Usage: proxy [--manifests PATH | --kubeconfig FILE] [options]

Keeps the kernel's service rules at what a Kubernetes API server, or a folder of manifests (Service, EndpointSlice, Node, ServiceCIDR), says.

  --manifests PATH                folder of .yaml, .yml and .json files, or one file; watched. -: standard input, read once
  --kubeconfig FILE               the API server and the credentials for it (default, in a pod: its service account)
  --master URL                    the API server, instead of that in --kubeconfig
  --kube-api-qps NUMBER           requests in a second to the API server (default: 5)
  --kube-api-burst NUMBER         requests at once to the API server (default: 10)
  --mode MODE                     nftables (default), ipvs, iptables or userspace: relays in this process, for as long as it runs
  --name NAME                     name of the nftables tables, or of the dummy device (default: netplane); not in mode iptables
  --netns NAMESPACE               network namespace: path, name or process id (default: this process's)
  --node-name NAME                this node: endpoints with this nodeName are local (default: the name of the host)
  --hostname-override NAME        kube-proxy's name for --node-name
  --zone ZONE                     zone of this node (default: that of the Node called --node-name)
  --local-sources CIDRS           local clients, a comma list: connections from elsewhere are masqueraded (default: none are)
  --local-bridge DEVICE           local clients, instead of --local-sources: what comes in through a bridge
  --local-interface-prefix TEXT   the same: what comes in through devices whose names begin so
  --masquerade WHICH              which connections to cluster addresses are masqueraded: never, nonLocal or all
                                  (default: nonLocal where local clients are known, else never)
  --node-port-addresses WHICH     addresses of this node with node ports: all (default), primary, or a comma list of CIDRS
  --loopback-node-ports           node ports at 127.0.0.1 and ::1, too, by relays of this process, for this node itself
  --service-ranges CIDRS          comma list: what no service has in them is dropped (default: the cluster's own in
                                  mode nftables, else none)
  --external-ip-ranges CIDRS      comma list: externalIPs of Services out of them alone are served, or none (default: all are)
  --state FILE                    keep what the kernel holds there, and begin with it after a start (default: nowhere)
  --listen HOST:PORT              /healthz and /metrics (default: 127.0.0.1:10256; off: not at all)
  --ui                            /ui, a page that shows the proxy at work, beside /metrics
  --counters                      count new connections of services and endpoints, for /metrics and /ui
  --once                          sync once, print the report as JSON, and leave the rules
  --plan                          print what would be done, and do nothing
  --cleanup                       remove our rules, of all modes or of --mode, and end; with --manifests: remove them when it stops
  --scheduler-fallback NAME       for services that ask for a scheduler which cannot be had: random, hash or consistent; in mode
                                  ipvs also one of IPVS, in mode iptables random alone, in mode userspace random or hash
                                  (default: they are refused)
  --take-over                     mode iptables: the chains that a kube-proxy left become ours, and connections stay
  --log-level LEVEL               trace, debug, info, warn, error (default: info)
  --help                          this text

  --config FILE                   a KubeProxyConfiguration (v1alpha1), and a NetplaneProxyConfiguration beside it; followed
  --config-check                  check that file and end: status 0 or 1, with all that is wrong in it
  --write-config-to FILE          write the configuration with all its defaults there, and end
  --init-only                     write the settings of this node that need privileges, and end
  --dry-run                       the same as --plan
  --version                       print the version

The options of kube-proxy are there, too (docs/proxy.md). With one of them or --config, defaults are those of kube-proxy. Beside
--config most of them have no effect, and the options above come before what the file says.
`

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

/** Which plane, and what it takes for schedulers that it, or its kernel, has not. */
type PlaneChoice =
  | { readonly mode: 'nftables'; readonly schedulerFallback: ModelScheduler | undefined }
  | ({ readonly mode: 'ipvs'; readonly schedulerFallback: Scheduler | undefined } & Pick<
      IpvsPlaneOptions,
      'scheduler' | 'excludeCIDRs' | 'strictArp' | 'timeouts'
    >)
  | ({ readonly mode: 'iptables'; readonly schedulerFallback: 'random' | undefined; readonly takeOver: boolean } & Pick<
      IptablesPlaneOptions,
      'dropInvalid' | 'loopbackNodePorts'
    >)
  | ({ readonly mode: 'userspace'; readonly schedulerFallback: 'random' | 'hash' | undefined } & Pick<
      UserspacePlaneOptions,
      'loopbackNodePorts' | 'relays'
    >)

/** How an API server is found and asked. Without a kubeconfig and a master, it is that of the pod. */
export interface ApiOptions {
  readonly kubeconfig: string | undefined
  readonly master: string | undefined
  /** Requests in a second for long, and at once. */
  readonly qps: number
  readonly burst: number
  /** What objects are asked for as. */
  readonly encoding: EncodingName
}

/** The command line, read. */
export interface ProxyOptions {
  readonly manifests: string | undefined
  /** The API server that is read; absent: none is. */
  readonly api: ApiOptions | undefined
  readonly plane: PlaneChoice
  /** Absent: the plane's usual one. */
  readonly name: string | undefined
  readonly netns: string | undefined
  readonly nodeName: string
  readonly zone: string | undefined
  /** Of `--node-port-addresses`, where it lists some. */
  readonly nodePortPrefixes: readonly string[] | undefined
  /** Whether relays of this process serve node ports at loopback addresses, beside a plane of another mode. */
  readonly loopbackNodePorts: boolean
  /** What a plane is told about traffic. */
  readonly traffic: Pick<
    TrafficOptions,
    'localSources' | 'masquerade' | 'masqueradeBit' | 'nodeAddresses' | 'ownAddresses' | 'serviceRanges'
  >
  /** Prefixes out of which `externalIPs` of Services are served; absent: all are. */
  readonly externalRanges: readonly string[] | undefined
  /** Where the services are kept. */
  readonly state: string | undefined
  readonly listen: Endpoint | undefined
  /** Whether `/ui` is beside `/metrics`. */
  readonly ui: boolean
  /** Whether new connections are counted. Modes other than nftables count in any case. */
  readonly counters: boolean
  readonly once: boolean
  readonly plan: boolean
  readonly cleanup: boolean
  readonly logLevel: LogLevel
  readonly help: boolean
  /** What a configuration of kube-proxy asks for beside. */
  readonly configured?: Configured | undefined
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

/** The daemon's own options. */
export const OPTIONS = {
  manifests: text,
  kubeconfig: text,
  master: text,
  'kube-api-qps': text,
  'kube-api-burst': text,
  'hostname-override': text,
  mode: text,
  name: text,
  netns: text,
  'node-name': text,
  zone: text,
  'local-sources': text,
  'local-bridge': text,
  'local-interface-prefix': text,
  masquerade: text,
  'node-port-addresses': text,
  'loopback-node-ports': flag,
  'service-ranges': text,
  'external-ip-ranges': text,
  state: text,
  listen: text,
  ui: flag,
  counters: flag,
  once: flag,
  plan: flag,
  cleanup: flag,
  'log-level': text,
  help: { ...flag, short: 'h' },
  'scheduler-fallback': text,
  'take-over': flag
} as const

/** What the command line says. */
export type OptionValues = Partial<ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']>

const DEFAULTS = {
  ...{ mode: 'nftables', listen: '127.0.0.1:10256', 'log-level': 'info' },
  ...{ once: false, plan: false, cleanup: false, help: false, 'take-over': false },
  ...{ ui: false, counters: false, 'loopback-node-ports': false }
} as const

type Values = OptionValues & { readonly [Name in keyof typeof DEFAULTS]: NonNullable<OptionValues[Name]> }

function parseListen(value: string): Endpoint | undefined {
  if (value === 'off') return undefined
  const endpoint = parseEndpoint(value)
  if (endpoint === undefined) throw new Error(`--listen ${value}: HOST:PORT is wanted, or off`)
  return { host: endpoint.host, port: endpoint.port }
}

/** One of a few words. */
function parseWord<Word extends string>(option: string, value: string, words: readonly [...Word[], Word]): Word {
  const known = words.find((word) => word === value)
  if (known !== undefined) return known
  const [last, ...others] = words.toReversed()
  throw new Error(`--${option} ${value}: ${others.length === 0 ? '' : `${others.toReversed().join(', ')} or `}${last!} is wanted`)
}

/** An empty list is a mistake (a variable of a shell that is not set), and would mean something else than no option. */
function parseList(option: string, value: string, wanted = 'a list of prefixes'): readonly string[] {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  if (entries.length === 0) throw new Error(`--${option} ${JSON.stringify(value)}: ${wanted} is wanted`)
  return entries
}

/** Local clients are told by one mark. */
function parseLocalSources(values: Values): LocalSourcesOption | undefined {
  const { 'local-sources': prefixes, 'local-bridge': bridge, 'local-interface-prefix': interfacePrefix } = values
  if ([prefixes, bridge, interfacePrefix].filter((value) => value !== undefined).length > 1)
    throw new Error('--local-sources, --local-bridge and --local-interface-prefix: one of them is wanted')
  if (bridge !== undefined) return { bridge }
  return interfacePrefix !== undefined ? { interfacePrefix } : prefixes === undefined ? undefined : parseList('local-sources', prefixes)
}

/** Who may make Services could take the traffic to any address (CVE-2020-8554). */
function parseExternalRanges(value: string | undefined): readonly string[] | undefined {
  if (value === undefined || value === 'none') return value === undefined ? undefined : []
  const ranges = parseList('external-ip-ranges', value, 'none, or a list of prefixes')
  const wrong = ranges.find((range) => normalizePrefix(range) === undefined)
  if (wrong !== undefined) throw new Error(`--external-ip-ranges ${wrong}: none, or a list of prefixes is wanted`)
  return ranges
}

function parseNodeAddresses(value: string | undefined): NodeAddressesOption | undefined {
  if (value === undefined || value === 'all' || value === 'primary') return value
  return parseList('node-port-addresses', value, 'all, primary or a list of prefixes')
}

const MASQUERADES: readonly [...Masquerade[], Masquerade] = ['never', 'nonLocal', 'all']
const FALLBACKS = ['random', 'hash', 'consistent'] as const

function parseTraffic(values: Values): ProxyOptions['traffic'] {
  const { masquerade, 'service-ranges': ranges } = values
  return {
    localSources: parseLocalSources(values),
    masquerade: masquerade === undefined ? undefined : parseWord('masquerade', masquerade, MASQUERADES),
    nodeAddresses: parseNodeAddresses(values['node-port-addresses']),
    ownAddresses: 'serve' as const,
    serviceRanges: ranges === undefined ? undefined : parseList('service-ranges', ranges)
  }
}

function parsePlane({ mode: word, name, 'scheduler-fallback': fallback, 'take-over': takeOver }: Values): PlaneChoice {
  const among = <Word extends Scheduler>(words: readonly [...Word[], Word]): Word | undefined =>
    fallback === undefined ? undefined : parseWord('scheduler-fallback', fallback, words)
  const mode = parseWord('mode', word, ['nftables', 'ipvs', 'iptables', 'userspace'])
  if (mode !== 'iptables' && takeOver) throw new Error('--take-over: --mode iptables is wanted beside it')
  if (mode === 'iptables') {
    if (name !== undefined) throw new Error(`--name ${name}: chains of mode iptables have kube-proxy's names`)
    return { mode, schedulerFallback: among(['random']), takeOver }
  }
  if (mode === 'userspace') return { mode, schedulerFallback: among(['random', 'hash']) }
  if (mode === 'nftables') return { mode, schedulerFallback: among(FALLBACKS) }
  return { mode, schedulerFallback: among([...FALLBACKS, ...IPVS_SCHEDULERS]) }
}

/** Relays end with their process, and are the only ones whose addresses endpoints see. @throws Error */
function checkPlane(plane: PlaneChoice, { once, masquerade, 'loopback-node-ports': isLoopback }: Values): PlaneChoice {
  if (once && isLoopback) throw new Error('--once: relays of --loopback-node-ports would end with the process')
  if (plane.mode !== 'userspace') return plane
  if (isLoopback) throw new Error('--loopback-node-ports: mode userspace serves them by itself')
  if (once) throw new Error('--once: relays of mode userspace would end with the process')
  if (masquerade !== undefined) throw new Error(`--masquerade ${masquerade}: endpoints see this node in any case in mode userspace`)
  return plane
}

/** One command is one thing to do: who asks for a plan does not want rules removed. @throws Error */
function checkCommand({ manifests, once, plan, cleanup }: Values, api: ApiOptions | undefined): void {
  if ([once, plan, cleanup].filter(Boolean).length > 1) throw new Error('--once, --plan and --cleanup: one of them is wanted')
  if (manifests === undefined && api === undefined && !cleanup) throw new Error('--manifests is missing, or --kubeconfig or --master')
}

const NAMES = ['manifests', 'kubeconfig', 'master', 'node-name', 'zone', 'state'] as const

/** An empty text names nothing, and would be taken for what other objects leave empty. @throws Error */
function checkNames(values: Values): void {
  const empty = NAMES.find((name) => values[name] === '')
  if (empty !== undefined) throw new Error(`--${empty} "": a name is wanted`)
  // kube-proxy takes an empty one for none, but not one of white space.
  const { 'hostname-override': override } = values
  if (override !== undefined && override !== '' && override.trim() === '')
    throw new Error(`--hostname-override ${JSON.stringify(override)}: a name is wanted`)
}

function parsePositive(option: 'kube-api-qps' | 'kube-api-burst', value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  const pattern = option === 'kube-api-burst' ? /^[1-9][0-9]{0,5}$/ : /^[0-9]{1,6}(\.[0-9]{1,6})?$/
  const number = pattern.test(value) ? Number(value) : 0
  if (number === 0) throw new Error(`--${option} ${value}: a number above 0 is wanted`)
  return number
}

/** In a pod, who says nothing of sources means the cluster of the pod; `--cleanup` alone is a command that needs no source. */
function parseApi(values: Values, env: ClusterEnvironment): ApiOptions | undefined {
  const { manifests, kubeconfig, master, cleanup, 'kube-api-qps': qps, 'kube-api-burst': burst } = values
  const isNamed = kubeconfig !== undefined || master !== undefined
  if (manifests !== undefined && isNamed) throw new Error('--manifests, and --kubeconfig or --master: one source is wanted')
  const isWanted = isNamed || (manifests === undefined && !cleanup && isInCluster(env))
  const rate = {
    qps: parsePositive('kube-api-qps', qps, CLIENT_DEFAULTS.qps),
    burst: parsePositive('kube-api-burst', burst, CLIENT_DEFAULTS.burst)
  }
  if (!isWanted && (qps ?? burst) !== undefined)
    throw new Error('--kube-api-qps and --kube-api-burst: --kubeconfig or --master is wanted beside them')
  return isWanted ? { kubeconfig, master, ...rate, encoding: CLIENT_DEFAULTS.encoding } : undefined
}

/** @throws Error The two names of one option say different things. */
function parseNodeName({ 'node-name': name, 'hostname-override': given }: Values): string {
  const override = given === '' ? undefined : given
  if (name !== undefined && override !== undefined && name !== override)
    throw new Error('--node-name and --hostname-override: one of them is wanted')
  // As kube-proxy has it: the names of nodes are those of hosts, in small letters and without white space.
  return name ?? override?.trim().toLowerCase() ?? hostname().toLowerCase()
}

/**
 * Reads the command line.
 *
 * @param env Tells a pod of its cluster.
 * @throws Error with words for the user.
 */
export function parseOptions(args: readonly string[], env?: ClusterEnvironment): ProxyOptions {
  return makeOptions(parseArgs({ args: [...args], options: OPTIONS }).values, env)
}

/**
 * Checks what the command line, or a configuration in its place, says.
 *
 * @param env Tells a pod of its cluster.
 * @throws Error with words for the user.
 */
export function makeOptions(given: OptionValues, env: ClusterEnvironment = process.env): ProxyOptions {
  const values: Values = { ...DEFAULTS, ...given }
  checkNames(values)
  const api = parseApi(values, env)
  if (!values.help) checkCommand(values, api)
  const traffic = parseTraffic(values)
  const { nodeAddresses } = traffic
  return {
    manifests: values.manifests,
    api,
    plane: checkPlane(parsePlane(values), values),
    name: values.name,
    netns: values.netns,
    nodeName: parseNodeName(values),
    zone: values.zone,
    nodePortPrefixes: typeof nodeAddresses === 'string' ? undefined : nodeAddresses,
    loopbackNodePorts: values['loopback-node-ports'],
    traffic,
    externalRanges: parseExternalRanges(values['external-ip-ranges']),
    state: values.state,
    listen: parseListen(values.listen),
    ui: values.ui,
    counters: values.counters,
    once: values.once,
    plan: values.plan,
    cleanup: values.cleanup,
    logLevel: parseWord('log-level', values['log-level'], LOG_LEVELS),
    help: values.help
  }
}
