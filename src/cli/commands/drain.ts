/**
 * `netplane drain`: takes endpoints out of service, and waits for the end of their connections.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { formatSocketAddress } from '../../core/address.js'
import { printable } from '../../core/errors.js'
import { asChanging } from '../changing.js'
import { connectionsOf, type CountConnections } from '../drain/connections.js'
import { parseEndpoint, planDrain, type DrainPlan } from '../drain/endpoints.js'
import type { CommandEnvironment } from '../environment.js'
import { STATUS } from '../errors.js'
import type { Done } from '../main.js'
import { modeOption, parseLongSeconds, withPlaneOptions, type Mode, type PlaneCommandOptions } from '../options.js'
import { writeResult } from '../output/format.js'
import { paintFor } from '../output/colours.js'
import { planDocument, planLines, plural, quarantinedLines } from '../output/plan.js'
import { DEFAULT_MODE, withPlane } from '../planes.js'
import { findPlanes, requireUnowned, warnOfOthers } from '../present.js'
import { readServicesFile } from '../services-file/read.js'

interface DrainOptions extends PlaneCommandOptions {
  readonly mode: Mode
  readonly service?: string | undefined
  readonly timeout: number
}

/** Between two looks at the connections. */
const INTERVAL_MS = 1000

const DEFAULT_TIMEOUT_SECONDS = 900

/** How the wait ended. */
interface Waited {
  /** Connections that were left at last. */
  readonly connections: number
  readonly durationMs: number
}

/** Looks again and again. `progress` is told of every number that is new. */
async function wait(
  { signal }: CommandEnvironment,
  count: CountConnections,
  timeoutSeconds: number,
  progress: (connections: number, leftSeconds: number) => void
): Promise<Waited> {
  const begin = performance.now()
  let told: number | undefined
  for (;;) {
    const connections = await count()
    const durationMs = Math.round(performance.now() - begin)
    const leftMs = timeoutSeconds * 1000 - durationMs
    if (connections === 0 || leftMs <= 0) return { connections, durationMs }
    if (connections !== told) progress(connections, Math.ceil(leftMs / 1000))
    told = connections
    // Only the signal ends it early, and that says why.
    await sleep(Math.min(INTERVAL_MS, leftMs), undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/** What stands on standard output before the wait, and while it lasts: for people alone. */
function tellPainted({ stdout }: CommandEnvironment, { output }: DrainOptions, line: string): void {
  if (output === 'text' || output === 'wide') stdout.write(`${line}\n`)
}

function tellerFor(environment: CommandEnvironment, options: DrainOptions): (line: string) => void {
  return (line) => tellPainted(environment, options, printable(line))
}

function resultLine({ connections, durationMs }: Waited): string {
  const seconds = Math.round(durationMs / 1000)
  if (connections === 0) return `No connections are left after ${seconds} s. The endpoints stay as they are until the next apply.`
  return `After ${seconds} s there ${connections === 1 ? 'is' : 'are'} ${plural(connections, 'connection')} left, which ${connections === 1 ? 'goes' : 'go'} on.`
}

function tellPlan({ stderr }: CommandEnvironment, tell: (line: string) => void, { endpoints, unserved }: DrainPlan): void {
  for (const { service, address, port } of endpoints) tell(`${formatSocketAddress(address, port)} of service ${service} drains.`)
  for (const service of unserved)
    stderr.write(`netplane: ${printable(`service ${service} has no other endpoint: new clients are refused`)}\n`)
}

/** What drains: nothing of services that could not be applied. */
function without(plan: DrainPlan, refused: ReadonlySet<string>): DrainPlan {
  return {
    ...plan,
    endpoints: plan.endpoints.filter(({ service }) => !refused.has(service)),
    unserved: plan.unserved.filter((service) => !refused.has(service))
  }
}

async function drain(environment: CommandEnvironment, file: string, endpoint: string, options: DrainOptions, done: Done): Promise<void> {
  const { mode, service, timeout, output } = options
  const chosen = parseEndpoint(endpoint)
  const document = await readServicesFile(environment, file)
  const asked = planDrain(document.services, { ...chosen, service })
  const tell = tellerFor(environment, options)
  const present = await findPlanes(environment, options)
  requireUnowned(present, mode)
  const { planned, quarantined } = await withPlane(environment, mode, options, async (plane) => {
    const planned = await plane.plan(asked.services)
    environment.signal.throwIfAborted()
    const lines = planned.isEmpty ? [] : planLines(planned, paintFor(environment.stdout, environment.variables))
    for (const line of lines) tellPainted(environment, options, line)
    const { quarantined } = await plane.sync(asked.services, { onError: 'isolate', signal: environment.signal })
    return { planned, quarantined }
  })
  for (const line of quarantinedLines(quarantined, document)) environment.stderr.write(`netplane: ${line}\n`)
  const plan = without(asked, new Set(quarantined.map((one) => one.service)))
  warnOfOthers(environment, mode, present, () => 'endpoints do not drain there')
  tellPlan(environment, tell, plan)
  const count = connectionsOf(environment, mode, options, plan.endpoints)
  const waited = await wait(environment, count, timeout, (connections, leftSeconds) =>
    tell(`${plural(connections, 'connection')} left, for at most ${leftSeconds} s.`)
  )
  const { endpoints, unserved } = plan
  writeResult(environment, output, { mode, plan: planDocument(planned), endpoints, unserved, ...waited }, () => [resultLine(waited)])
  const isDone = waited.connections === 0 && quarantined.length === 0
  done(isDone ? STATUS.success : STATUS.negative, `the endpoints drain, with ${plural(waited.connections, 'connection')} left`)
}

/** Adds the command. */
export function addDrain(program: Command, environment: CommandEnvironment, done: Done): void {
  const command = asChanging(program.command('drain'))
    .argument('<file>', 'the services, as apply takes them; - is standard input')
    .argument('<endpoint>', 'the endpoint ADDRESS:PORT, or ADDRESS for all of its ports')
  withPlaneOptions(command, modeOption('the subsystem of the kernel that carries the services').default(DEFAULT_MODE))
    .description('applies a file with endpoints that take no new connections, and waits until those that they have are over')
    .option('--service <name>', 'the service of which they are endpoints; default: all')
    .option('--timeout <seconds>', 'seconds after which it ends whatever is left', parseLongSeconds, DEFAULT_TIMEOUT_SECONDS)
    .action(async (file: string, endpoint: string, options: DrainOptions) => drain(environment, file, endpoint, options, done))
}
