/**
 * `netplane cleanup`: removes what planes have made, and nothing else.
 */
import type { Command } from 'commander'
import { Nftables } from '../../nftables/index.js'
import { isTableName } from '../../iptables/tables.js'
import { isOurChain } from '../../plane/iptables/inspect/ours.js'
import { openPlane } from '../../plane/index.js'
import { findPlanes, requireUnowned, tablesOf, type PresentPlanes } from '../present.js'
import { identityOf } from '../../plane/switch/identity.js'
import { SwitchNotes } from '../../plane/switch/notes.js'
import { openLeftTables } from '../../plane/userspace/left.js'
import { Route } from '../../route/index.js'
import { asChanging } from '../changing.js'
import type { CommandEnvironment } from '../environment.js'
import { CommandError, STATUS } from '../errors.js'
import { endingOf } from '../exit-status.js'
import { KERNEL_MODES, modeOption, planeOptionsFor, withPlaneOptions, type KernelMode, type PlaneCommandOptions } from '../options.js'
import { writeResult } from '../output/format.js'
import { plural } from '../output/plan.js'
import type { Done } from '../main.js'
import { UnsupportedError } from '../../core/errors.js'

/** What was removed of one mode, or why it could not be. */
interface Removal {
  readonly mode: KernelMode
  /** Objects that were there before and are not any more, sorted. */
  readonly removed: readonly string[]
  /** Why this mode was left alone, though nothing failed. */
  readonly skipped?: string | undefined
  /** Why nothing of this mode could be removed. */
  readonly refusal?: unknown
}

/** Planes of mode iptables have no names: which of them a name means, nobody can say. */
const NAMELESS: Removal = { mode: 'iptables', removed: [], skipped: 'left alone, since planes of this mode have no names' }

/** What of the kernel a plane can have made: tables and chains of nf_tables, and links. Sets and rules go with their tables and chains. */
async function inventory({ signal, kernel }: CommandEnvironment, netns: string | number | undefined): Promise<Set<string>> {
  const nft = await Nftables.open({ netns, signal, kernel: kernel?.nftables })
  try {
    const tables = (await nft.listTables()).map(({ family, name }) => `table ${family} ${name}`)
    const chains = (await nft.listChains()).map(({ family, table, name }) => `chain ${family} ${table} ${name}`)
    const route = await Route.open({ netns: nft, signal, kernel: kernel?.route })
    try {
      return new Set([...tables, ...chains, ...(await route.listLinks()).map(({ name }) => `link ${name}`)])
    } finally {
      await route.close()
    }
  } finally {
    await nft.close()
  }
}

/** Chains that went with their table are not told. */
function withoutParts(removed: readonly string[]): string[] {
  const tables = removed.filter((name) => name.startsWith('table ')).map((name) => `${name.replace(/^table/, 'chain')} `)
  return removed.filter((name) => !tables.some((table) => name.startsWith(table))).sort()
}

/** Whether there is a table or a device of mode ipvs. */
function isIpvsLeft(names: ReadonlySet<string>, name = 'netplane'): boolean {
  return [`table ip ${name}-ipvs`, `table ip6 ${name}-ipvs`, `link ${name}`].some((one) => names.has(one))
}

async function removeOf(environment: CommandEnvironment, mode: KernelMode, options: PlaneCommandOptions): Promise<void> {
  if (mode !== 'userspace') {
    const plane = await openPlane(planeOptionsFor(environment, mode, options))
    return await plane.close({ cleanup: true })
  }
  const { signal, kernel } = environment
  const { netns, name } = options
  const left = await openLeftTables({ netns, name, signal, kernel: kernel === undefined ? undefined : { nftables: kernel.nftables } })
  try {
    await left.cleanUp()
    await new SwitchNotes(() => Nftables.open({ netns, signal, kernel: kernel?.nftables }), identityOf(mode, name)).forget()
  } finally {
    await left.close()
  }
}

async function cleanUpMode(
  environment: CommandEnvironment,
  mode: KernelMode,
  options: PlaneCommandOptions,
  present: PresentPlanes
): Promise<Removal> {
  if (mode === 'iptables' && options.mode === undefined && options.name !== undefined) return NAMELESS
  if (mode !== 'iptables' && options.mode === undefined && tablesOf(mode, options.name) === undefined)
    return { mode, removed: [], skipped: 'left alone, since no plane of this mode can have that name' }
  const before = await inventory(environment, options.netns)
  try {
    requireUnowned(present, mode)
    await removeOf(environment, mode, options)
  } catch (error) {
    // A kernel without IPVS has none of its services: unless something else was left, there is nothing to remove.
    const isEmpty = error instanceof UnsupportedError && options.mode === undefined && !isIpvsLeft(before, options.name)
    return { mode, removed: [], ...(isEmpty ? {} : { refusal: error }) }
  }
  const after = await inventory(environment, options.netns)
  const removed = withoutParts([...before].filter((name) => !after.has(name)))
  // What was kept by an earlier clean-up may be led to no more.
  const kept = mode === 'iptables' && removed.length > 0 ? [...after].filter((name) => isChainOfOurs(name)) : []
  return { mode, removed, ...(kept.length === 0 ? {} : { refusal: new CommandError(STATUS.kernel, keptText(kept)) }) }
}

/** Whether a name of the inventory is that of a chain that planes of mode iptables have. */
function isChainOfOurs(name: string): boolean {
  const [, table = '', chain = ''] = /^chain ip6? (\S+) (\S+)$/.exec(name) ?? []
  return isTableName(table) && isOurChain(table, chain)
}

const keptText = (kept: readonly string[]): string =>
  `${kept.join(', ')} ${kept.length === 1 ? 'stays, without rules, as one of another program leads to it' : 'stay, without rules, as those of other programs lead to them'}`

function lineOf({ mode, removed, skipped, refusal }: Removal): string[] {
  if (refusal !== undefined && removed.length === 0) return []
  if (skipped !== undefined) return [`${mode}: ${skipped}`]
  return [removed.length === 0 ? `${mode}: nothing was there` : `${mode}: removed ${removed.join(', ')}`]
}

/** The worst that happened decides: what could not be removed is told, and the other modes are cleaned up nevertheless. */
async function cleanup(environment: CommandEnvironment, options: PlaneCommandOptions, done: Done): Promise<void> {
  const removals: Removal[] = []
  const present = await findPlanes(environment, options)
  for (const mode of options.mode === undefined ? KERNEL_MODES : [options.mode]) {
    environment.signal.throwIfAborted()
    removals.push(await cleanUpMode(environment, mode, options, present))
  }
  const refusals = removals.flatMap(({ mode, refusal }) => (refusal === undefined ? [] : [{ mode, ...endingOf(refusal, false) }]))
  const paper = {
    modes: removals.map(({ mode, removed, skipped }) => {
      const refused = refusals.find((one) => one.mode === mode)
      return { mode, removed, skipped, ...(refused === undefined ? {} : { refusal: refused.lines.join('\n') }) }
    })
  }
  writeResult(environment, options.output, paper, () => removals.flatMap(lineOf))
  for (const { mode, lines } of refusals) environment.stderr.write(`netplane: ${mode}: ${lines.join('\n')}\n`)
  const removed = removals.flatMap((one) => one.removed)
  done(
    refusals.reduce<number>((worst, { status }) => Math.max(worst, status), STATUS.success),
    removed.length === 0 ? undefined : `what planes had made was removed (${plural(removed.length, 'object')})`
  )
}

/** Adds the command. */
export function addCleanup(program: Command, environment: CommandEnvironment, done: Done): void {
  withPlaneOptions(
    asChanging(program.command('cleanup')),
    modeOption('the mode whose objects are removed; default: all of them', KERNEL_MODES)
  )
    .description('removes what planes have made, without asking, and says what it was; what others made stays')
    .action(async (options: PlaneCommandOptions) => cleanup(environment, options, done))
}
