/**
 * `netplane switch`: another mode carries the services of a file, and what the other modes have goes.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Argument, type Command } from 'commander'
import { printable, type NetplaneError } from '../../core/errors.js'
import { shortenName } from '../../plane/tables/layout/comment.js'
import { PLANE_MODES, type LeavingPlane, type Plane, type PlaneEvent, type PlaneMode } from '../../plane/index.js'
import { asChanging } from '../changing.js'
import type { CommandEnvironment } from '../environment.js'
import { CommandError, STATUS } from '../errors.js'
import { endingOf } from '../exit-status.js'
import type { Done } from '../main.js'
import { MODES, namespaceOption, nameOption, outputOption, type Mode, type PlaneCommandOptions } from '../options.js'
import { writeResult } from '../output/format.js'
import { appliedLine, quarantinedDocuments, quarantinedLines } from '../output/plan.js'
import { withPlane } from '../planes.js'
import { findPlanes, requireUnowned, type PresentPlanes } from '../present.js'
import type { ServicesDocument } from '../services-file/document.js'
import { fewOf } from '../services-file/few.js'
import { readServicesFile } from '../services-file/read.js'
import { readFrontends } from '../show/read.js'

/** Milliseconds between two looks at connections that go on. */
const LOOK_MS = 200

const nameOf = ({ mode, name }: Pick<LeavingPlane, 'mode' | 'name'>): string => (name === undefined ? mode : `${mode} ${name}`)

/** Collects the planes that were there and went, and what kept one from it. */
async function collect(
  events: AsyncIterable<PlaneEvent>,
  gone: string[],
  { modes }: PresentPlanes,
  fail: (error: NetplaneError) => void
): Promise<void> {
  for await (const event of events) {
    if (event.type === 'left' && modes.has(event.mode)) gone.push(nameOf(event))
    if (event.type === 'error') fail(event.error)
  }
}

/** Whether it is told only when all else is done: what belongs to another program stays. */
const isForeign = (error: NetplaneError): boolean => error.code === 'ERR_NETPLANE_FOREIGN'

/** Says how far it came: the new mode carries the services, and something of the others is left. */
function leftOver(error: NetplaneError, mode: Mode): CommandError {
  const { status, lines } = endingOf(error, false)
  return new CommandError(status, `all services are carried by ${mode}, and not all that other modes have is gone: ${lines[0]!}`, {
    cause: error
  })
}

/** Waits until nothing is left of the other modes, or something of them cannot go; says once on standard error what is waited for. */
async function waitForOthers(plane: Plane, { signal, stderr }: CommandEnvironment, failures: readonly NetplaneError[]): Promise<void> {
  let isTold = false
  for (let leaving = plane.status().leaving; leaving !== undefined; leaving = plane.status().leaving) {
    if (failures.some((error) => !isForeign(error))) return
    const busy = leaving.filter(({ connections }) => connections > 0)
    if (!isTold && busy.length > 0) {
      const lines = busy.map((one) => `${nameOf(one)}: ${one.connections}, for ${Math.ceil(one.remainingMs / 1000)} s at most`)
      stderr.write(`netplane: connections that go on are waited for (${lines.join('; ')})\n`)
      isTold = true
    }
    await pause(LOOK_MS, undefined, { signal })
  }
}

/** The modes whose planes go. One that was named is not told apart from others in mode iptables, which has no names. */
function replacedBy(mode: Mode, { name }: PlaneCommandOptions): PlaneMode[] {
  return PLANE_MODES.filter((one) => one !== mode && (name === undefined || one !== 'iptables'))
}

/** Says on standard error which services of planes that go the file lacks: nobody serves them any more. @param going Their modes. */
async function tellOfLost(
  environment: CommandEnvironment,
  going: readonly PlaneMode[],
  { services }: ServicesDocument,
  { netns, name }: PlaneCommandOptions
): Promise<void> {
  const known = new Set([...services.keys()].flatMap((service) => [service, shortenName(service)]))
  const lost = new Set<string>()
  for (const mode of going) {
    const frontends = await readFrontends(environment, { mode, netns, name })
    for (const { service, isOurs } of frontends) if (isOurs && service !== undefined && !known.has(service)) lost.add(service)
  }
  const lines = [...lost].map((service) => `service ${service} is served no more: the file lacks it`)
  for (const line of fewOf(lines, (more) => `… and ${more} more services are served no more`))
    environment.stderr.write(`netplane: ${printable(line)}\n`)
}

async function switchTo(
  environment: CommandEnvironment,
  mode: Mode,
  file: string,
  options: PlaneCommandOptions,
  done: Done
): Promise<void> {
  const document: ServicesDocument = await readServicesFile(environment, file)
  const replaces = replacedBy(mode, options)
  const present = await findPlanes(environment, options)
  requireUnowned(present)
  await tellOfLost(
    environment,
    replaces.filter((one) => present.modes.has(one)),
    document,
    options
  )
  await withPlane(environment, mode, { ...options, replaces }, async (plane) => {
    const { quarantined } = await plane.plan(document.services)
    environment.signal.throwIfAborted()
    const gone: string[] = []
    const failures: NetplaneError[] = []
    const events = collect(plane.watch(), gone, present, (error) => failures.push(error))
    const report =
      quarantined.length > 0 ? undefined : await plane.sync(document.services, { onError: 'atomic', signal: environment.signal })
    if (report !== undefined) await waitForOthers(plane, environment, failures)
    await plane.close()
    await events
    const failure = failures.find((error) => !isForeign(error)) ?? failures[0]
    if (failure !== undefined) throw report === undefined ? failure : leftOver(failure, mode)
    const applied = report === undefined ? {} : { applied: { services: report.services, durationMs: report.durationMs }, gone }
    writeResult(environment, options.output, { mode, quarantined: quarantinedDocuments(quarantined, document), ...applied }, () =>
      report === undefined ? [] : [appliedLine(report.services, report.durationMs.total), `All services are carried by ${mode}.`]
    )
    for (const line of quarantinedLines(quarantined, document)) environment.stderr.write(`netplane: ${line}\n`)
    if (report === undefined) environment.stderr.write('netplane: nothing was changed\n')
    if (report === undefined) done(STATUS.negative)
    else done(STATUS.success, `all services are carried by ${mode}`)
  })
}

/** Adds the command. */
export function addSwitch(program: Command, environment: CommandEnvironment, done: Done): void {
  asChanging(program.command('switch'))
    .addArgument(new Argument('<mode>', 'the subsystem of the kernel that is to carry the services').choices(MODES))
    .argument('<file>', 'YAML or JSON with a list `services`; - is standard input')
    .addOption(namespaceOption())
    .addOption(nameOption())
    .addOption(outputOption())
    .description('makes another mode carry the services of a file, and then removes what the other modes have, without cutting connections')
    .action(async (mode: Mode, file: string, options: PlaneCommandOptions) => switchTo(environment, mode, file, options, done))
}
