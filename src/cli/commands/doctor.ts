/**
 * `netplane doctor`: whether this machine can carry a plane, and what would mend it.
 */
import type { Command } from 'commander'
import { printable } from '../../core/errors.js'
import { gatherFacts } from '../doctor/facts.js'
import { findingsOf, isLacking, type Finding, type Health } from '../doctor/findings.js'
import type { CommandEnvironment } from '../environment.js'
import { STATUS } from '../errors.js'
import { modeOption, namespaceOption, outputOption, type Mode } from '../options.js'
import { paintFor, type Colour } from '../output/colours.js'
import { widthFor, writeResult, type Format } from '../output/format.js'
import { formatTable } from '../output/table.js'

interface DoctorOptions {
  readonly mode?: Mode | undefined
  readonly netns?: string | number | undefined
  readonly output: Format
}

const COLOUR: Readonly<Record<Health, Colour>> = { ok: 'green', warning: 'yellow', missing: 'red' }

const COLUMNS = [
  { heading: 'STATE', min: 7 },
  { heading: 'SUBJECT', min: 4 },
  { heading: 'MEANING', min: 5 }
] as const

/** What mends something stands on a line of its own that is not wrapped, so that a command can be copied. */
function remedyLines({ subject, remedy }: Finding): string[] {
  return remedy === undefined ? [] : ['', `Remedy for ${printable(subject)}:`, `  ${printable(remedy)}`]
}

function linesOf(environment: CommandEnvironment, findings: readonly Finding[], format: Format): string[] {
  const paint = paintFor(environment.stdout, environment.variables)
  const rows = findings.map((finding) => [finding.health, finding.subject, finding.meaning])
  const lines = formatTable(COLUMNS, rows, widthFor(environment, format))
  return [
    ...lines.map((line) => line.replace(/^(ok|warning|missing)(?= )/, (health) => paint(COLOUR[health as Health], health))),
    ...findings.flatMap(remedyLines)
  ]
}

async function doctor(environment: CommandEnvironment, { mode, netns, output }: DoctorOptions): Promise<number> {
  const findings = findingsOf(await gatherFacts(environment, netns))
  const isReady = mode === undefined ? undefined : !isLacking(findings, mode)
  writeResult(environment, output, { findings, ...(mode === undefined ? {} : { mode, isReady }) }, () => [
    ...linesOf(environment, findings, output),
    ...(mode === undefined
      ? []
      : ['', isReady === true ? `Mode ${mode} has all that it needs.` : `Mode ${mode} lacks what is marked as missing.`])
  ])
  return isReady === false ? STATUS.negative : STATUS.success
}

/** Adds the command. */
export function addDoctor(program: Command, environment: CommandEnvironment, done: (status: number) => void): void {
  program
    .command('doctor')
    .description('says what of this machine a plane can use, what is missing, and what mends it; changes nothing')
    .addOption(modeOption('the mode that is to work: where it lacks something the exit status is 1'))
    .addOption(namespaceOption())
    .addOption(outputOption())
    .action(async (options: DoctorOptions) => done(await doctor(environment, options)))
}
