/**
 * `netplane trace`: the way of real packets through the rules.
 */
import { Option, type Command } from 'commander'
import { requireAddress } from '../../core/address.js'
import { requireInteger } from '../../core/checks.js'
import { SERVICE_PROTOCOLS, type Protocol } from '../../core/protocols.js'
import { Nftables, type TraceEvents } from '../../nftables/index.js'
import { Route } from '../../route/index.js'
import type { CommandEnvironment } from '../environment.js'
import { isInterrupt, STATUS } from '../errors.js'
import {
  KERNEL_MODES,
  modeOption,
  parseCount,
  parseSeconds,
  parseTarget,
  withPlaneOptions,
  type PlaneCommandOptions,
  type Target
} from '../options.js'
import { paintFor } from '../output/colours.js'
import { writeEvent } from '../output/format.js'
import { TraceLines } from '../output/trace.js'
import { readFrontends } from '../show/read.js'
import { FrontendNames } from '../trace/frontends.js'
import { RuleBook } from '../trace/rules.js'
import { addTraceTable, removeTraceTable, removeTraceTableNow, type TraceRequest } from '../trace/table.js'
import { Tracer } from '../trace/tracer.js'

interface TraceOptions extends PlaneCommandOptions {
  readonly protocol: Protocol
  readonly from?: string | undefined
  readonly count?: number | undefined
  readonly timeout?: number | undefined
}

/** After the last packet: the time without a step of it, after which it is taken for gone. */
const QUIET_MS = 500

const MAX_PORT = 65_535

/** Ends the steps when the time is over, or when the last packet is gone. */
class Ending implements Disposable {
  readonly #events: TraceEvents
  readonly #timeout: NodeJS.Timeout | undefined
  #quiet: NodeJS.Timeout | undefined

  constructor(events: TraceEvents, timeoutSeconds: number | undefined) {
    this.#events = events
    this.#timeout = timeoutSeconds === undefined ? undefined : setTimeout(() => void events.return(), timeoutSeconds * 1000)
  }

  /** Begins to wait for silence, anew. */
  expectSilence(): void {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => void this.#events.return(), QUIET_MS)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#quiet)
    clearTimeout(this.#timeout)
  }
}

async function linkNames({ signal, kernel }: CommandEnvironment, nft: Nftables): Promise<ReadonlyMap<number, string>> {
  const route = await Route.open({ netns: nft, signal, kernel: kernel?.route })
  try {
    return new Map((await route.listLinks()).map(({ index, name }) => [index, name]))
  } finally {
    await route.close()
  }
}

/** Tells of packets until the time is over, or there were as many as were asked for. Returns how many there were. */
async function tell(environment: CommandEnvironment, options: TraceOptions, events: TraceEvents, tracer: Tracer): Promise<void> {
  const { stdout, variables } = environment
  const lines = new TraceLines(options.output === 'wide', paintFor(stdout, variables))
  using ending = new Ending(events, options.timeout)
  for await (const event of events) {
    const told = await tracer.follow(event)
    for (const one of told) writeEvent(environment, options.output, one, () => lines.of(one))
    // Packets that are passed over do not lengthen the wait, and neither do steps that are missing: nobody knows whose they were.
    if (tracer.isFull && told.some((one) => one.event !== 'lost')) ending.expectSilence()
  }
}

/** Makes the table for as long as `work` takes. It is gone afterwards, however that ends. */
async function withTraceTable(
  environment: CommandEnvironment,
  nft: Nftables,
  request: TraceRequest,
  work: (table: Awaited<ReturnType<typeof addTraceTable>>) => Promise<void>
): Promise<void> {
  const table = await addTraceTable(nft, request)
  const forget = environment.atExit(() => removeTraceTableNow(nft, table))
  try {
    await work(table)
  } finally {
    forget()
    await removeTraceTable(nft, table)
  }
}

/** Exit status by how many packets there were: without `--count` one is enough. */
function statusOf({ begun }: Tracer, { count = 1 }: TraceOptions): number {
  return begun >= count ? STATUS.success : STATUS.negative
}

async function traceOn(environment: CommandEnvironment, nft: Nftables, target: Target, options: TraceOptions): Promise<number> {
  const { stderr, signal } = environment
  const { name, protocol, from, count } = options
  const known = { names: new FrontendNames(await readFrontends(environment, options)), links: await linkNames(environment, nft) }
  // Before the table: no packet is traced that nobody hears of.
  await using events = await nft.trace({ signal })
  let tracer: Tracer | undefined
  try {
    await withTraceTable(environment, nft, { ...target, protocol, from }, async (table) => {
      tracer = new Tracer({ ...known, table, rules: new RuleBook(nft, name), count })
      if (options.output === 'text' || options.output === 'wide') stderr.write('netplane: tracing; Ctrl-C ends it\n')
      await tell(environment, options, events, tracer)
    })
  } catch (error) {
    // Ctrl-C is how it is meant to end.
    if (!signal.aborted || !isInterrupt(signal.reason)) throw signal.aborted ? signal.reason : error
    return STATUS.success
  }
  return tracer === undefined ? STATUS.negative : statusOf(tracer, options)
}

async function trace(environment: CommandEnvironment, target: Target, options: TraceOptions): Promise<number> {
  const { signal, kernel } = environment
  const family = requireAddress('address', target.address).length === 4 ? 'ip' : 'ip6'
  requireInteger('port', target.port, 1, MAX_PORT)
  if (options.from !== undefined) requireAddress('from', options.from, family)
  const nft = await Nftables.open({ netns: options.netns, signal, kernel: kernel?.nftables })
  try {
    return await traceOn(environment, nft, target, options)
  } finally {
    await nft.close()
  }
}

/** Adds the command. */
export function addTrace(program: Command, environment: CommandEnvironment, done: (status: number) => void): void {
  const command = program.command('trace').argument('<target>', 'ADDRESS:PORT; an IPv6 address in brackets', parseTarget)
  withPlaneOptions(command, modeOption('the mode whose services are named; default: all of them', KERNEL_MODES))
    .description('follows real packets from rule to rule, until Ctrl-C; makes a small table of its own for as long')
    .addOption(new Option('--protocol <protocol>', 'the protocol').choices(SERVICE_PROTOCOLS).default('tcp'))
    .option('--from <address>', "the client's address; default: any")
    .option('--count <number>', 'packets after which it ends', parseCount)
    .option('--timeout <seconds>', 'seconds after which it ends', parseSeconds)
    .action(async (target: Target, options: TraceOptions) => done(await trace(environment, target, options)))
}
