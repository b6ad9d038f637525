/**
 * New connections that tables of nf_tables have counted, where their plane was opened with option `counters`.
 */
import { Buffer } from 'node:buffer'
import type { AddressFamily } from '../../core/address.js'
import { Slices } from '../../core/slices.js'
import { rowAt } from '../../nftables/columns.js'
import type { ListedElements, Nftables } from '../../nftables/index.js'
import { FAMILIES } from '../../plane/core/frontend.js'
import { countingSets } from '../../plane/tables/counting/chains.js'
import { SCOPES, type Scope } from '../../plane/tables/layout/sets.js'
import { listIfThere } from '../../plane/tables/reading/list.js'

/** Finds what was counted of a frontend and an endpoint by their keys in hexadecimal. Undefined: nothing is counted. */
export type Counted = (family: AddressFamily, scope: Scope, frontend: string, endpoint: string) => bigint | undefined

const NOTHING: Counted = () => undefined

async function addCounts(into: Map<string, bigint>, place: string, { chunks }: ListedElements, slices: Slices): Promise<void> {
  for (const chunk of chunks)
    await slices.times(chunk.rows, (row) => {
      const hex = Buffer.from(rowAt(chunk, row).key).toString('hex')
      into.set(`${place} ${hex}`, chunk.counterPackets?.[row] ?? 0n)
    })
}

/** Reads the numbers of a table. @throws {NetlinkError} */
export async function readCounted(nft: Nftables, table: string): Promise<Counted> {
  const counts = new Map<string, bigint>()
  const slices = new Slices()
  let isCounting = false
  for (const family of FAMILIES)
    for (const scope of SCOPES) {
      const listed = await listIfThere(nft, { family, table, name: countingSets(family, scope).endpoints.name })
      if (listed === undefined) continue
      isCounting = true
      await addCounts(counts, `${family} ${scope}`, listed, slices)
    }
  if (!isCounting) return NOTHING
  return (family, scope, frontend, endpoint) => counts.get(`${family} ${scope} ${frontend}${endpoint}`) ?? 0n
}
