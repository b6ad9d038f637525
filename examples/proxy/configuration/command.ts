import { parseArgs } from 'node:util'
import { makeOptions, OPTIONS, type OptionValues, type ProxyOptions } from '../options.js'
import { collectFaults, ConfigurationError, type Fault, type FaultSink } from './faults.js'
import { NETPLANE_FIELDS, type Fields, type KubeProxyConfiguration, type NetplaneConfiguration } from './fields.js'
import { readConfigurationFile, type ConfigurationFile } from './file.js'
import { FIELD_FLAG_NAMES, isListFlag, normaliseArguments, overlayFlags, type FieldFlag } from './flags.js'
import { resolveConfiguration } from './resolve.js'
import { resolveFields, type GivenFields } from './reading.js'
import { translateConfiguration, type Configured } from './translate.js'

/** What is to be done. */
export type Action = 'run' | 'help' | 'version' | 'check' | 'write' | 'init'

/** The command line, and the file that it names, read. */
export interface Command {
  readonly action: Action
  readonly options: ProxyOptions
  /** With the options and the file of kube-proxy: all fields. */
  readonly configuration: KubeProxyConfiguration | undefined
  /** The file of configuration. */
  readonly file: string | undefined
  /** What that file said when it was read. */
  readonly text: string | undefined
  /** Where the configuration is to be written. */
  readonly writeTo: string | undefined
  /** Whether `--mode` stands on the command line. */
  readonly isModeChosen: boolean
  /** What has no effect; nothing of it is an error. */
  readonly warnings: readonly Fault[]
}

const word = { type: 'string' } as const
const words = { type: 'string', multiple: true } as const
const flag = { type: 'boolean' } as const

/** Options that stand for no field. */
const COMMANDS = {
  config: word,
  'config-check': flag,
  'write-config-to': word,
  'init-only': flag,
  'dry-run': flag,
  version: flag
} as const

const FLAGS = {
  ...(Object.fromEntries(FIELD_FLAG_NAMES.map((name) => [name, isListFlag(name) ? words : word])) as Record<
    FieldFlag,
    typeof word | typeof words
  >),
  v: { ...word, short: 'v' }
} as const

const ALL = { ...FLAGS, ...COMMANDS, ...OPTIONS } as const

const SWITCHES: ReadonlySet<string> = new Set(
  Object.entries({ ...COMMANDS, ...OPTIONS }).flatMap(([name, { type }]) => (type === 'boolean' ? [name] : []))
)

type Values = Partial<ReturnType<typeof parseArgs<{ options: typeof ALL }>>['values']>

/** What is there, without what is empty: an empty text of a file was not given. */
function present<Value extends object>(values: Value): { [Name in keyof Value]?: Exclude<Value[Name], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== '')) as never
}

/** Picks the options of one table. */
function pick<Table extends object>(values: Values, table: Table): { [Name in keyof Table & keyof Values]?: Values[Name] } {
  return Object.fromEntries(Object.entries(values).filter(([name]) => Object.hasOwn(table, name))) as never
}

/** The options of the command line that netplane's document stands for. */
function fromNetplane(document: NetplaneConfiguration): OptionValues {
  const { serviceRanges, externalIPRanges, schedulerFallback, takeOver, logLevel, ui, counters, loopbackNodePorts, ...words } = document
  return present({
    ...words,
    ui: ui || undefined,
    counters: counters || undefined,
    'loopback-node-ports': loopbackNodePorts || undefined,
    'service-ranges': serviceRanges.join(','),
    'external-ip-ranges': externalIPRanges.join(','),
    'scheduler-fallback': schedulerFallback,
    'take-over': takeOver || undefined,
    'log-level': logLevel
  })
}

const LOCAL = ['local-sources', 'local-bridge', 'local-interface-prefix'] as const

/** One mark of local clients on the command line takes the place of the one that the file has. */
function withoutLocal(values: OptionValues, own: OptionValues): OptionValues {
  return LOCAL.some((name) => own[name] !== undefined) ? without(values, LOCAL) : values
}

function withConfigured(options: ProxyOptions, configured: Configured): ProxyOptions {
  const { api, plane, masqueradeBit, isLocalByNode } = configured
  const { localSources } = options.traffic
  return {
    ...options,
    api: options.api === undefined ? undefined : { ...options.api, ...api },
    plane: { ...options.plane, ...plane },
    traffic: { ...options.traffic, masqueradeBit },
    configured: { ...configured, isLocalByNode: isLocalByNode && localSources === undefined }
  }
}

/** The mode that counts is that of the command line. */
function withMode(configuration: KubeProxyConfiguration, mode: string | undefined): KubeProxyConfiguration {
  return mode === undefined ? configuration : { ...configuration, mode }
}

const SOURCES = ['manifests', 'kubeconfig', 'master'] as const

function without(values: OptionValues, names: readonly string[]): OptionValues {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)))
}

/** A source on the command line takes the place of that of the file, a folder in the file the place of its kubeconfig; who wants rules removed needs none. */
function withoutSource(values: OptionValues, own: OptionValues, fields: GivenFields, faults: FaultSink): OptionValues {
  if (own.cleanup === true || SOURCES.some((name) => own[name] !== undefined)) return without(values, SOURCES)
  if (values.manifests === undefined || values.kubeconfig === undefined) return values
  const { place } = fields.get('clientConnection.kubeconfig')!
  faults.warn(place, 'clientConnection.kubeconfig', 'it has no effect: services come from the folder that manifests names')
  return without(values, ['kubeconfig'])
}

/** Options that stand for fields were taken with the fields. */
function withoutFields(own: OptionValues): OptionValues {
  return without(own, ['kube-api-qps', 'kube-api-burst', 'hostname-override'])
}

interface Outcome {
  readonly options: ProxyOptions | undefined
  readonly configuration: KubeProxyConfiguration | undefined
  readonly text: string | undefined
}

/** Options need no folder where nothing is served. */
function completed(values: OptionValues, action: Action): OptionValues {
  const isComplete = action === 'run' || values.kubeconfig !== undefined || values.master !== undefined
  return isComplete ? values : { manifests: '.', ...values, cleanup: false }
}

function attempt(make: () => ProxyOptions, source: string, faults: FaultSink): ProxyOptions | undefined {
  try {
    return make()
  } catch (error) {
    faults.error({ source }, '', (error as Error).message)
    return undefined
  }
}

function configure(values: Values, own: OptionValues, action: Action, file: ConfigurationFile | undefined, faults: FaultSink): Outcome {
  const source = values.config ?? 'proxy'
  const fields = overlayFlags(pick(values, FLAGS), file?.kubeProxy, faults)
  const resolved = resolveConfiguration(fields, faults, file?.place)
  const netplane = resolveFields(
    NETPLANE_FIELDS as unknown as Fields,
    file?.netplane ?? new Map(),
    faults
  ) as unknown as NetplaneConfiguration
  // What is wrong cannot be translated.
  if (faults.hasErrors()) return { options: undefined, configuration: resolved, text: file?.text }
  const isLoopbackCarried = netplane.loopbackNodePorts || own['loopback-node-ports'] === true
  const translated = translateConfiguration(withMode(resolved, own.mode), fields, faults, { isLoopbackCarried })
  const fromFile = { ...present(translated.values), ...fromNetplane(netplane) }
  // kube-proxy's two servers take the place of the one that is the default.
  const merged: OptionValues = { listen: 'off', ...withoutLocal(withoutSource(fromFile, own, fields, faults), own), ...withoutFields(own) }
  const options = attempt(() => withConfigured(makeOptions(completed(merged, action)), translated.configured), source, faults)
  return { options, configuration: resolved, text: file?.text }
}

const ACTIONS: readonly (readonly [keyof Values, Action])[] = [
  ['help', 'help'],
  ['version', 'version'],
  ['config-check', 'check'],
  ['write-config-to', 'write'],
  ['init-only', 'init']
]

function actionOf(values: Values): Action {
  return ACTIONS.find(([name]) => values[name] !== undefined && values[name] !== false)?.[1] ?? 'run'
}

/** Defaults are kube-proxy's where anything of kube-proxy is there. */
function isOfKubeProxy(values: Values, action: Action): boolean {
  return (
    action === 'write' ||
    action === 'init' ||
    values.config !== undefined ||
    FIELD_FLAG_NAMES.some((name) => values[name] !== undefined && !Object.hasOwn(OPTIONS, name))
  )
}

/**
 * Reads the command line, and the file that `--config` names.
 *
 * @throws {ConfigurationError} With everything that is wrong.
 * @throws Error with words for the user: an option that there is not, or one that lacks its value.
 */
export function readCommand(args: readonly string[]): Command {
  const values: Values = parseArgs({ args: normaliseArguments(args, SWITCHES), options: ALL }).values
  const action = actionOf(values)
  const found: Fault[] = []
  const faults = collectFaults(found)
  if (action === 'check' && values.config === undefined) faults.error({ source: '--config-check' }, '', '--config FILE is wanted beside it')
  const own: OptionValues = { ...pick(values, OPTIONS), ...(values['dry-run'] === true ? { plan: true } : {}) }
  const outcome = readOutcome(values, own, action, found, faults)
  if (faults.hasErrors() || outcome.options === undefined) throw new ConfigurationError(found)
  return {
    action,
    options: outcome.options,
    configuration: outcome.configuration,
    file: values.config,
    text: outcome.text,
    writeTo: values['write-config-to'],
    isModeChosen: own.mode !== undefined,
    warnings: found
  }
}

function readOutcome(values: Values, own: OptionValues, action: Action, found: Fault[], faults: FaultSink): Outcome {
  // Words about one option are told as they are.
  if (!isOfKubeProxy(values, action)) return { options: makeOptions(completed(own, action)), configuration: undefined, text: undefined }
  const file = values.config === undefined ? undefined : readConfigurationFile(values.config)
  found.push(...(file?.faults ?? []))
  return configure(values, own, action, file, faults)
}
