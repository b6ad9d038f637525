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

/** The statistics of a row; undefined where the columns have none. */
export function decodeStatistics(columns: Partial<StatisticsColumns>, row: number): IpvsStatistics | undefined {
  if (columns.connections === undefined) return undefined
  const at = (name: keyof StatisticsColumns): bigint => columns[name]?.[row] ?? 0n
  return {
    connections: at('connections'),
    incomingPackets: at('incomingPackets'),
    outgoingPackets: at('outgoingPackets'),
    incomingBytes: at('incomingBytes'),
    outgoingBytes: at('outgoingBytes'),
    connectionsPerSecond: at('connectionsPerSecond'),
    incomingPacketsPerSecond: at('incomingPacketsPerSecond'),
    outgoingPacketsPerSecond: at('outgoingPacketsPerSecond'),
    incomingBytesPerSecond: at('incomingBytesPerSecond'),
    outgoingBytesPerSecond: at('outgoingBytesPerSecond')
  }
}
