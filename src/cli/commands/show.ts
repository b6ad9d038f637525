/**
 * `netplane show`: frontends and endpoints as the kernel has them.
 */
import type { Command } from 'commander'
import { printable } from '../../core/errors.js'
import type { CommandEnvironment } from '../environment.js'
import { STATUS } from '../errors.js'
import { KERNEL_MODES, modeOption, withPlaneOptions, type PlaneCommandOptions } from '../options.js'
import { CONNECTIONS, frontendTable, SHARE } from '../output/frontends.js'
import { widthFor, writeResult } from '../output/format.js'
import { readFrontends } from '../show/read.js'
import { tellUnserved, unservedAddresses } from '../show/unserved.js'

async function show(environment: CommandEnvironment, options: PlaneCommandOptions): Promise<number> {
  const tell = (words: string): void => void environment.stderr.write(`netplane: left out: ${printable(words)}\n`)
  const frontends = await readFrontends(environment, options, tell)
  const width = widthFor(environment, options.output)
  writeResult(environment, options.output, { frontends }, () => frontendTable(frontends, [SHARE, CONNECTIONS], width).lines)
  tellUnserved(environment, await unservedAddresses(environment, options))
  return STATUS.success
}

/** Adds the command. */
export function addShow(program: Command, environment: CommandEnvironment, done: (status: number) => void): void {
  withPlaneOptions(program.command('show'), modeOption('the mode that is shown; default: all of them', KERNEL_MODES))
    .description('shows frontends and endpoints as the kernel has them, and what was counted; changes nothing')
    .action(async (options: PlaneCommandOptions) => done(await show(environment, options)))
}
