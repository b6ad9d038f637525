/**
 * Which planes there is something of in the kernel.
 */
import { ENOENT } from '../core/errno.js'
import { ValidationError } from '../core/errors.js'
import { orUndefined } from '../core/failures.js'
import { Nftables, type ListedTable } from '../nftables/index.js'
import type { OwnTables } from '../nftables/own-tables.js'
import { CHAIN } from '../plane/iptables/layout/names.js'
import { checkIpvsOptions } from '../plane/ipvs/options.js'
import { checkNftablesOptions } from '../plane/nftables/options.js'
import type { PlaneMode } from '../plane/index.js'
import { ownTables } from '../plane/tables/layout/table.js'
import { checkUserspaceOptions } from '../plane/userspace/options.js'
import type { CommandEnvironment } from './environment.js'
import { CommandError, STATUS } from './errors.js'
import type { PlaneCommandOptions } from './options.js'

/** Stands for whatever ports relays have: tables are known without them. */
const NO_PORTS = { portOf: () => 0 }

/** How tables of the modes are known that have tables of their own. @throws {ValidationError} A plane of the mode cannot have the name. */
const TABLES: Readonly<Record<Exclude<PlaneMode, 'iptables'>, (name: string | undefined) => OwnTables>> = {
  nftables: (name) => ownTables(checkNftablesOptions({ name }).table),
  ipvs: (name) => ownTables(checkIpvsOptions({ name }).table),
  userspace: (name) => ownTables({ ...checkUserspaceOptions({ name }).table, relays: NO_PORTS })
}

/** The tables of planes of a mode and a name; undefined: no plane of the mode can have it, as names of devices and tables are shorter in some. */
export function tablesOf(mode: Exclude<PlaneMode, 'iptables'>, name: string | undefined): OwnTables | undefined {
  try {
    return TABLES[mode](name)
  } catch (error) {
    if (error instanceof ValidationError) return undefined
    throw error
  }
}

/** A table that belongs to a process. */
interface OwnedTable {
  readonly mode: PlaneMode
  readonly table: ListedTable
}

/** Modes of which the kernel holds a plane of a name. */
export interface PresentPlanes {
  readonly modes: ReadonlySet<PlaneMode>
  /** Tables of these that belong to a process, which alone can change and remove them. */
  readonly owned: readonly OwnedTable[]
}

/** A table that has the mark of planes of mode iptables, and few other chains: that of services may have a hundred thousand. */
const MARKED = { family: 'ip', table: 'filter' } as const

async function isMarked(nft: Nftables, tables: readonly ListedTable[]): Promise<boolean> {
  if (!tables.some(({ family, name }) => family === MARKED.family && name === MARKED.table)) return false
  const chains = (await orUndefined(ENOENT, nft.listChains(MARKED))) ?? []
  return chains.some(({ name }) => name === CHAIN.owner)
}

/** Looks for planes of all modes. */
export async function findPlanes(
  { signal, kernel }: CommandEnvironment,
  { netns, name }: Pick<PlaneCommandOptions, 'netns' | 'name'>
): Promise<PresentPlanes> {
  await using nft = await Nftables.open({ netns, signal, kernel: kernel?.nftables })
  const tables = await nft.listTables()
  const modes = new Set<PlaneMode>()
  const owned: OwnedTable[] = []
  for (const mode of Object.keys(TABLES) as (keyof typeof TABLES)[]) {
    const own = tablesOf(mode, name)
    if (own === undefined) continue
    const found = tables.filter((table) => table.name === own.name && own.isOurs(table.comment))
    if (found.length > 0) modes.add(mode)
    const taken = found.filter(({ flags, owner }) => flags?.includes('owner') === true && owner !== undefined)
    owned.push(...taken.map((table) => ({ mode, table })))
  }
  if (await isMarked(nft, tables)) modes.add('iptables')
  return { modes, owned }
}

/**
 * Says on standard error which other modes hold services here, as a command is about those of one mode alone.
 *
 * @param advice What to do about another mode.
 */
export function warnOfOthers(
  { stderr }: CommandEnvironment,
  mode: PlaneMode,
  { modes }: PresentPlanes,
  advice: (other: PlaneMode) => string
): void {
  for (const other of modes) if (other !== mode) stderr.write(`netplane: mode ${other} has services here, too: ${advice(other)}\n`)
}

/** Says that a process that is running has tables for itself; undefined: none has. @param mode Whose tables are to be changed; absent: those of all modes. */
export function ownedText({ owned }: PresentPlanes, mode?: PlaneMode): string | undefined {
  const { table } = owned.find((one) => mode === undefined || one.mode === mode) ?? {}
  if (table === undefined) return undefined
  return `table ${table.family} ${table.name} belongs to a process that is running (its socket has port ${table.owner})`
}

/** @param mode As {@link ownedText} takes it. @throws {CommandError} A process that is running has tables for itself. */
export function requireUnowned(present: PresentPlanes, mode?: PlaneMode): void {
  const what = ownedText(present, mode)
  if (what !== undefined) throw new CommandError(STATUS.kernel, `${what}: end that process first; nothing was changed`)
}
