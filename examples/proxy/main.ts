import { writeFile } from 'node:fs/promises'
import { openPlane, VERSION } from 'netplane'
import type { Logger } from 'pino'
import { ClusterRanges, followsClusterRanges, withRangesOf } from './cluster-ranges.js'
import { readCommand, type Action, type Command } from './configuration/command.js'
import { formatFault } from './configuration/faults.js'
import { ConfigurationFollower, type StartHooks } from './configuration/follow.js'
import { applyNodeSettings, type SettingOutcome } from './configuration/node-settings.js'
import { writeConfiguration } from './configuration/write.js'
import { Daemon } from './daemon.js'
import { translate } from './kubernetes/translate.js'
import { giveMemoryBack } from './idle-memory.js'
import { FIRST_START, withLocalSources, type Patience } from './local-sources.js'
import { escapeInvisible, openLog } from './log.js'
import { parserInBackground } from './manifests/background.js'
import type { PieceParser } from './manifests/parse.js'
import { USAGE, type ProxyOptions } from './options.js'
import { placeOf, planeOptionsOf } from './plane-options.js'
import { readOnce } from './sources/once.js'
import { openSource, type SourceOptions } from './sources/open.js'

/** Removes what is ours of one mode. */
async function cleanUp(options: ProxyOptions): Promise<void> {
  // What carriers have in the kernel goes with what is left of the plane; one of another mode may have taken it over.
  const plane = await openPlane(planeOptionsOf({ ...options, state: undefined, loopbackNodePorts: false }))
  await plane.close({ cleanup: true })
}

const MODES = ['nftables', 'iptables', 'ipvs', 'userspace'] as const

/** Options that name the plane of another mode, and nothing else of it. */
function inMode(options: ProxyOptions, mode: (typeof MODES)[number]): ProxyOptions {
  const plane = mode === 'iptables' ? { mode, schedulerFallback: undefined, takeOver: false } : { mode, schedulerFallback: undefined }
  return { ...options, plane, traffic: {}, name: mode === 'iptables' ? undefined : options.name }
}

/** Removes what is ours: of the mode that was chosen, else of all modes that this kernel has. @throws The kernel refuses; nothing of the other modes is left undone for that. */
async function cleanUpAll({ options, isModeChosen }: Command): Promise<void> {
  if (isModeChosen) return await cleanUp(options)
  const failures: string[] = []
  for (const mode of MODES) {
    await cleanUp(inMode(options, mode)).catch((error: unknown) => {
      // A kernel without IPVS holds nothing of it.
      if (mode !== 'ipvs' || !isMissing(error)) failures.push(`mode ${mode}: ${(error as Error).message}`)
    })
  }
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'EOPNOTSUPP', 'ERR_NETPLANE_UNSUPPORTED'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** What a source is asked for. */
function kindsOf(options: ProxyOptions): SourceOptions['kinds'] {
  return ['Service', 'EndpointSlice', 'Node', ...(followsClusterRanges(options) ? (['ServiceCIDR'] as const) : [])]
}

/** Commands that do one thing and end. Returns false where the daemon is wanted. */
async function runOnce(command: Command): Promise<boolean> {
  const { options } = command
  const isCleanup = options.cleanup && options.manifests === undefined && options.api === undefined
  if (!options.once && !options.plan && !isCleanup) return false
  tellWarnings(command)
  if (isCleanup) {
    await cleanUpAll(command)
    return true
  }
  const { objects, problems } = await readOnce(await openSource(options, { kinds: kindsOf(options) }))
  const complete = withRangesOf(objects, await withLocalSources(options, new AbortController().signal))
  const plane = await openPlane(planeOptionsOf(complete))
  try {
    for (const { file, document, reason } of problems) console.error(escapeInvisible(`${file}, document ${document}: ${reason}`))
    const services = translate(objects, options)
    if (options.plan) console.log(String(await plane.plan(services)))
    else {
      const report = JSON.stringify(await plane.sync(services), (_, value: unknown) => (value instanceof Error ? value.message : value))
      console.log(escapeInvisible(report))
    }
    return true
  } finally {
    await plane.close()
  }
}

function tellWarnings({ warnings }: Command): void {
  for (const warning of warnings) console.error(escapeInvisible(formatFault(warning)))
}

function describe({ setting, wanted, before, outcome, reason }: SettingOutcome): string {
  const was = before === undefined ? '' : ` (before: ${String(before)})`
  return `${setting} ${String(wanted)}: ${outcome}${was}${reason === undefined ? '' : `: ${reason}`}`
}

async function initialise({ options }: Command): Promise<void> {
  const outcomes = options.configured === undefined ? [] : await applyNodeSettings(options.configured, placeOf(options))
  for (const outcome of outcomes) console.log(escapeInvisible(describe(outcome)))
  if (outcomes.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1
}

async function applySettings(options: ProxyOptions, log: Logger): Promise<void> {
  if (options.configured === undefined) return
  for (const outcome of await applyNodeSettings(options.configured, placeOf(options))) {
    if (outcome.outcome === 'failed') log.warn(outcome, 'a setting of this node')
    else if (outcome.outcome === 'written') log.info(outcome, 'a setting of this node')
  }
}

/** A later start must not take long: the one before goes on meanwhile. */
function patienceOf(log: Logger, isFirst: boolean): Patience {
  return {
    ...FIRST_START,
    ...(isFirst ? {} : { longestMs: 0 }),
    waits: (error) => log.warn({ err: error }, 'the prefixes of pods of this node are not told yet'),
    unkept: (error) => log.warn({ err: error }, 'the prefixes of pods of this node cannot be kept')
  }
}

/** Opens the plane, or lets that of the predecessor go on. What may fail before is done before. */
async function startDaemon(
  options: ProxyOptions,
  log: Logger,
  ranges: ClusterRanges,
  { opened, outdated, signal, predecessor, isFirst }: StartHooks<Daemon>
): Promise<Daemon> {
  await applySettings(options, log)
  const local = await withLocalSources(options, signal, patienceOf(log, isFirst))
  const complete = await ranges.complete(local, signal)
  const openParser = (): PieceParser => parserInBackground(new URL('proxy-parser.js', import.meta.url))
  const source = await openSource(complete, { openParser, kinds: kindsOf(options) })
  signal.throwIfAborted()
  const planeOptions = planeOptionsOf(complete)
  const inherited = await predecessor?.handOver(planeOptions)
  const plane = inherited?.plane ?? (await openPlane(planeOptions))
  log.level = options.logLevel
  const learnRanges = followsClusterRanges(options) ? (told: readonly string[]): boolean => ranges.learn(told) : undefined
  const daemon = new Daemon(plane, source, complete, log, { outdated, learnRanges, inherited })
  opened(daemon)
  await daemon.start()
  return daemon
}

async function run(command: Command): Promise<void> {
  if (await runOnce(command)) return
  const log = openLog(command.options.logLevel)
  const ranges = new ClusterRanges()
  const actions = {
    read: () => readCommand(process.argv.slice(2)),
    start: (options: ProxyOptions, hooks: StartHooks<Daemon>) => startDaemon(options, log, ranges, hooks),
    cleanUp
  }
  const follower = new ConfigurationFollower(command, actions, log)
  let stopping: Promise<void> | undefined
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping')
    stopping ??= follower.stop().catch((error: unknown) => {
      log.error({ err: error }, 'stopping failed')
      process.exitCode = 1
    })
  }
  // A terminal that is closed sends SIGHUP.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
  giveMemoryBack((error) => log.info({ err: error }, 'memory that is free is not given back'))
  await follower.start(command.file)
}

const ACTIONS: Readonly<Record<Action, (command: Command) => Promise<void> | void>> = {
  run,
  help: () => console.log(USAGE),
  version: () => console.log(`netplane ${VERSION}`),
  check: tellWarnings,
  write: async (command) => {
    tellWarnings(command)
    await writeFile(command.writeTo!, writeConfiguration(command.configuration!))
  },
  init: async (command) => {
    tellWarnings(command)
    await initialise(command)
  }
}

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2))
  await ACTIONS[command.action](command)
}

main().catch((error: unknown) => {
  // Lines of a message are faults, each of which stands for itself.
  for (const line of (error instanceof Error ? error.message : String(error)).split('\n')) console.error(escapeInvisible(line))
  process.exitCode = 1
})
