/**
 * What packets have put into sets, taken along when the tables are made anew: clients that are remembered, and what was counted.
 */
import type { AddressFamily } from '../../../core/address.js'
import { NetlinkError } from '../../../core/errors.js'
import { rowAt, toColumns, type ElementColumns } from '../../../nftables/columns.js'
import type { Nftables } from '../../../nftables/index.js'
import type { Step } from '../../../nftables/steps.js'
import type { TableOptions } from '../layout/table.js'
import { learntSets, type LearntSet } from '../layout/learnt-sets.js'

/** Bytes of an element in a message, about. */
const ROW_BYTES = 120

/** What is in a set, if it has the form of today. */
async function readSet(
  nft: Pick<Nftables, 'listElements'>,
  table: string,
  family: AddressFamily,
  { set, keyWidth, dataWidth }: LearntSet
): Promise<readonly ElementColumns[]> {
  try {
    const { chunks } = await nft.listElements({ family, table, name: set.name })
    return chunks.filter(({ rows, key, data }) => rows > 0 && key.length === rows * keyWidth && (data?.length ?? 0) === rows * dataWidth)
  } catch (error) {
    // There is no such set, or the table comes and goes: then there is nothing to take along.
    if (error instanceof NetlinkError && (error.code === 'ENOENT' || error.code === 'EINTR')) return []
    throw error
  }
}

const firstOf = (chunk: ElementColumns, rows: number): ElementColumns =>
  rows >= chunk.rows ? chunk : toColumns(Array.from({ length: rows }, (_, row) => rowAt(chunk, row)))

/** Writes what packets have put there into sets that are made anew, as much as these may hold. @throws {NetlinkError} */
export async function carrySteps(
  nft: Pick<Nftables, 'listElements'>,
  options: TableOptions,
  families: Iterable<AddressFamily>
): Promise<Step[]> {
  const steps: Step[] = []
  for (const family of families) {
    for (const learnt of learntSets(family, options)) {
      let room = learnt.set.size
      for (const chunk of await readSet(nft, options.name, family, learnt)) {
        const part = firstOf(chunk, room)
        room -= part.rows
        if (part.rows === 0) continue
        const set = { family, table: options.name, name: learnt.set.name }
        steps.push({ bytes: 200 + part.rows * ROW_BYTES, queue: (tx) => tx.add.elements(set, part, { exclusive: true }) })
      }
    }
  }
  return steps
}
