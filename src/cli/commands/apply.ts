/**
 * `netplane plan` and `netplane apply`: a file of services against what the kernel holds.
 */
import type { Command } from 'commander'
import type { Plan, SyncReport } from '../../plane/index.js'
import { asChanging } from '../changing.js'
import type { CommandEnvironment } from '../environment.js'
import { STATUS } from '../errors.js'
import type { Done } from '../main.js'
import { modeOption, withPlaneOptions, type Mode, type PlaneCommandOptions } from '../options.js'
import { paintFor } from '../output/colours.js'
import { writeResult } from '../output/format.js'
import { appliedLine, appliedText, planDocument, planLines, quarantinedDocuments, quarantinedLines } from '../output/plan.js'
import { withProgress } from '../output/progress.js'
import { DEFAULT_MODE, withPlane } from '../planes.js'
import { findPlanes, ownedText, requireUnowned, warnOfOthers } from '../present.js'
import type { ServicesDocument } from '../services-file/document.js'
import { readServicesFile } from '../services-file/read.js'

interface ApplyOptions extends PlaneCommandOptions {
  readonly mode: Mode
  readonly atomic?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

/** What both commands found. */
interface Outcome {
  readonly plan: Plan
  /** Absent: nothing was applied. */
  readonly report?: SyncReport | undefined
}

/** Real servers of IPVS that wait for the end of their connections outlive the command, which does not stay to remove them. */
function drainingLines({ details }: SyncReport): string[] {
  if (details.mode !== 'ipvs' || details.draining === 0) return []
  return [`Real servers that drain: ${details.draining}. The next apply removes those whose connections have ended.`]
}

/** Says what would be done, or was. Services that cannot be applied are mistakes in the file: they are told on standard error. */
function report(
  environment: CommandEnvironment,
  options: ApplyOptions,
  document: ServicesDocument,
  { plan, report: done }: Outcome
): number {
  const { stdout, stderr, variables } = environment
  const quarantined = done?.quarantined ?? plan.quarantined
  const paper = {
    mode: options.mode,
    plan: planDocument(plan),
    quarantined: quarantinedDocuments(quarantined, document),
    ...(done === undefined
      ? {}
      : { applied: { services: done.services, objects: done.objects, durationMs: done.durationMs, details: done.details } })
  }
  writeResult(environment, options.output, paper, () => [
    ...planLines(plan, paintFor(stdout, variables)),
    ...(done === undefined ? [] : [appliedLine(done.services, done.durationMs.total, plan.drift.length), ...drainingLines(done)])
  ])
  for (const line of quarantinedLines(quarantined, document)) stderr.write(`netplane: ${line}\n`)
  if (done === undefined && options.dryRun !== true) stderr.write('netplane: nothing was applied, as --atomic asks\n')
  return quarantined.length === 0 ? STATUS.success : STATUS.negative
}

async function apply(environment: CommandEnvironment, file: string, options: ApplyOptions, done: Done): Promise<void> {
  const document = await readServicesFile(environment, file)
  const { mode, atomic = false, dryRun = false } = options
  const present = await findPlanes(environment, options)
  if (!dryRun) requireUnowned(present, mode)
  const owned = ownedText(present, mode)
  if (owned !== undefined) environment.stderr.write(`netplane: ${owned}: apply changes nothing before that process has ended\n`)
  const outcome = await withPlane(environment, mode, options, async (plane): Promise<Outcome> => {
    const plan = await plane.plan(document.services)
    environment.signal.throwIfAborted()
    // What the kernel refuses is found by sync, which takes it back.
    if (dryRun || (atomic && plan.quarantined.length > 0)) return { plan }
    const onError = atomic ? 'atomic' : 'isolate'
    const report = await withProgress(environment, plane, () => plane.sync(document.services, { onError, signal: environment.signal }))
    return { plan, report }
  })
  warnOfOthers(environment, mode, present, () => `they stay as they are, and netplane switch ${mode} takes their place`)
  const applied = outcome.report && `the services were applied: ${appliedText(outcome.report.services)}`
  done(report(environment, options, document, outcome), applied)
}

/** Adds both commands. */
export function addApply(program: Command, environment: CommandEnvironment, done: Done): void {
  const mode = (): ReturnType<typeof modeOption> =>
    modeOption('the subsystem of the kernel that carries the services').default(DEFAULT_MODE)
  const file = 'YAML or JSON with a list `services`; - is standard input'
  withPlaneOptions(program.command('plan').argument('<file>', file), mode())
    .description('says what apply would do, as a diff; changes nothing')
    .action(async (path: string, options: ApplyOptions) => apply(environment, path, { ...options, dryRun: true }, done))
  withPlaneOptions(asChanging(program.command('apply')).argument('<file>', file), mode())
    .description('makes the kernel hold exactly the services of a file; they stay when the command ends')
    .option('--atomic', 'applies nothing where one service cannot be applied; default: the others are')
    .option('--dry-run', 'is plan')
    .action(async (path: string, options: ApplyOptions) => apply(environment, path, options, done))
}
