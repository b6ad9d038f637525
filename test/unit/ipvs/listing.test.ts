import { expect, test } from 'vitest'
import { counterForms, serverForms, zeroColumns } from '../../../src/ipvs/column-forms.js'
import { decodeServers, joinListing, type Listing } from '../../../src/ipvs/listing.js'
import { STATISTICS_COLUMNS } from '../../../src/ipvs/statistics.js'
import type { NativeColumns } from '../../../src/native/index.js'

/** Real servers of which nobody has counted anything: 10.0.0.first and those behind it. */
function piece(rows: number, first: number): NativeColumns {
  const columns = zeroColumns(rows, [...counterForms, ...serverForms]) as unknown as NativeColumns & Record<string, Uint8Array>
  columns.family!.fill(2)
  for (let row = 0; row < rows; row += 1) columns.address!.set([10, 0, 0, first + row], row * 16)
  return columns
}

/** The same, with counters. */
function countedPiece(rows: number, first: number): NativeColumns {
  const counters = STATISTICS_COLUMNS.map((name, column): [string, unknown] => [
    name,
    BigUint64Array.from({ length: rows }, (_, row) => BigInt(10 * column + row + 1))
  ])
  return { ...piece(rows, first), ...(Object.fromEntries(counters) as Record<string, unknown>) }
}

const listing = (servers: NativeColumns[], statistics = true): Listing => ({ services: [], servers, statistics })

test('Statistics of a piece that has none are 0, in columns and in objects', async () => {
  const pieces = [piece(2, 1), countedPiece(1, 3), piece(1, 4)]
  const { realServers } = await joinListing(listing(pieces))
  expect(realServers.connections).toEqual(BigUint64Array.of(0n, 0n, 1n, 0n))
  expect(realServers.outgoingBytesPerSecond).toEqual(BigUint64Array.of(0n, 0n, 91n, 0n))
  const servers = await decodeServers(listing(pieces))
  expect(servers.map(({ address, statistics }) => [address, statistics?.connections, statistics?.incomingBytes])).toEqual([
    ['10.0.0.1', 0n, 0n],
    ['10.0.0.2', 0n, 0n],
    ['10.0.0.3', 1n, 31n],
    ['10.0.0.4', 0n, 0n]
  ])
})

test.each([
  ['one piece without counters', [piece(2, 1)], BigUint64Array.of(0n, 0n)],
  ['one piece with counters', [countedPiece(2, 1)], BigUint64Array.of(1n, 2n)],
  ['no piece', [], new BigUint64Array(0)]
])('Columns of statistics are there where they were asked for, and only there: %s', async (_, pieces, connections) => {
  expect((await joinListing(listing(pieces))).realServers.connections).toEqual(connections)
  expect(Object.keys((await joinListing(listing([piece(2, 1), piece(1, 3)], false))).realServers)).not.toContain('connections')
  expect((await decodeServers(listing([piece(1, 1)], false)))[0]).not.toHaveProperty('statistics')
})
