/**
 * `netplane explain`: what becomes of the first packet of a connection, and why.
 */
import { Option, type Command } from 'commander'
import { ValidationError } from '../../core/errors.js'
import { Route } from '../../route/index.js'
import { SERVICE_PROTOCOLS } from '../../core/protocols.js'
import type { Protocol } from '../../core/protocols.js'
import type { PacketDirection } from '../../plane/index.js'
import type { CommandEnvironment } from '../environment.js'
import { STATUS } from '../errors.js'
import { modeOption, parseTarget, withPlaneOptions, type Mode, type PlaneCommandOptions, type Target } from '../options.js'
import { writeResult } from '../output/format.js'
import { DEFAULT_MODE, withPlane } from '../planes.js'
import { findPlanes, warnOfOthers } from '../present.js'
import { tellUnserved, unservedAddresses } from '../show/unserved.js'
import { inWordsOfCommand } from '../words.js'

interface ExplainOptions extends PlaneCommandOptions {
  readonly mode: Mode
  readonly protocol: Protocol
  readonly from?: string | undefined
  readonly direction?: PacketDirection | undefined
  readonly interface?: string | undefined
}

/** A packet comes in by no link that there is not: the name is misspelt. */
async function requireLink({ signal, kernel }: CommandEnvironment, link: string, { netns }: ExplainOptions): Promise<void> {
  await using route = await Route.open({ netns, signal, kernel: kernel?.route })
  const names = (await route.listLinks()).map(({ name }) => name)
  if (names.includes(link)) return
  const some = names.slice(0, MAX_LINKS).join(', ')
  throw new ValidationError('--interface', link, `a link that there is: ${some}${names.length > MAX_LINKS ? ' and others' : ''}`)
}

/** Links that are named as those that there are. */
const MAX_LINKS = 8

async function explain(environment: CommandEnvironment, target: Target, options: ExplainOptions): Promise<number> {
  const { mode, protocol, from, direction, interface: link, output } = options
  if (link !== undefined) await requireLink(environment, link, options)
  const request = { ...target, protocol, from, direction, interface: link }
  const explanation = await withPlane(environment, mode, options, (plane) => plane.explain(request))
  warnOfOthers(
    environment,
    mode,
    await findPlanes(environment, options),
    (other) => `--mode ${other} asks what becomes of the packet there`
  )
  if (explanation.outcome.type === 'untouched') {
    const unserved = await unservedAddresses(environment, options)
    tellUnserved(
      environment,
      unserved.filter((one) => one.address === explanation.request.address)
    )
  }
  writeResult(environment, output, explanation, () => [inWordsOfCommand(String(explanation))])
  return STATUS.success
}

/** Adds the command. */
export function addExplain(program: Command, environment: CommandEnvironment, done: (status: number) => void): void {
  const command = program.command('explain').argument('<target>', 'ADDRESS:PORT; an IPv6 address in brackets', parseTarget)
  withPlaneOptions(command, modeOption('the mode whose rules are followed').default(DEFAULT_MODE))
    .description('follows the first packet of a connection through what the kernel holds; changes nothing')
    .addOption(new Option('--protocol <protocol>', 'the protocol').choices(SERVICE_PROTOCOLS).default('tcp'))
    .option('--from <address>', "the client's address; default: this node's own")
    .addOption(new Option('--direction <direction>', 'whether the packet comes in or this node sends it').choices(['incoming', 'outgoing']))
    .option('--interface <link>', 'the link through which it comes in')
    .action(async (target: Target, options: ExplainOptions) => done(await explain(environment, target, options)))
}
