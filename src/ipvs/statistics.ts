/** Counters and rates of services and real servers. */
import type { StatisticsColumns } from './column-types.js'
import type { IpvsStatistics } from './types.js'

/** In the kernel's order (IPVS_STATS_ATTR_*). */
export const STATISTICS_COLUMNS = [
  'connections',
  'incomingPackets',
  'outgoingPackets',
  'incomingBytes',
  'outgoingBytes',
  'connectionsPerSecond',
  'incomingPacketsPerSecond',
  'outgoingPacketsPerSecond',
  'incomingBytesPerSecond',
  'outgoingBytesPerSecond'
] as const satisfies readonly (keyof StatisticsColumns)[]

/** What all share that have seen no packet, as most of many have: ten bigints and an object less for each. */
const nothing: IpvsStatistics = Object.freeze({
  connections: 0n,
  incomingPackets: 0n,
  outgoingPackets: 0n,
  incomingBytes: 0n,
  outgoingBytes: 0n,
  connectionsPerSecond: 0n,
  incomingPacketsPerSecond: 0n,
  outgoingPacketsPerSecond: 0n,
  incomingBytesPerSecond: 0n,
  outgoingBytesPerSecond: 0n
})

/** How the statistics of a row are read: all 0 where the columns have none, as nobody has counted anything then. */
export function readStatistics(given: Partial<StatisticsColumns>): (row: number) => IpvsStatistics {
  if (given.connections === undefined) return () => nothing
  const columns = given as StatisticsColumns
  // Halves of the 64 bits are looked at without a bigint for each.
  const halves = STATISTICS_COLUMNS.map((name) => {
    const { buffer, byteOffset, length } = columns[name]
    return new Uint32Array(buffer, byteOffset, 2 * length)
  })
  const isZero = (row: number): boolean => halves.every((numbers) => numbers[2 * row] === 0 && numbers[2 * row + 1] === 0)
  const at = (name: keyof StatisticsColumns, row: number): bigint => columns[name][row] ?? 0n
  return (row) => {
    if (isZero(row)) return nothing
    return {
      connections: at('connections', row),
      incomingPackets: at('incomingPackets', row),
      outgoingPackets: at('outgoingPackets', row),
      incomingBytes: at('incomingBytes', row),
      outgoingBytes: at('outgoingBytes', row),
      connectionsPerSecond: at('connectionsPerSecond', row),
      incomingPacketsPerSecond: at('incomingPacketsPerSecond', row),
      outgoingPacketsPerSecond: at('outgoingPacketsPerSecond', row),
      incomingBytesPerSecond: at('incomingBytesPerSecond', row),
      outgoingBytesPerSecond: at('outgoingBytesPerSecond', row)
    }
  }
}
