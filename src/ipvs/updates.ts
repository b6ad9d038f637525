/**
 * Updates that say only what changes: the kernel replaces everything, so what is not mentioned is read first.
 */
import { asNative } from '../core/columns.js'
import type { NativeIpvsSocket } from '../native/index.js'
import type { IpvsColumns, RealServerChangeColumns, ServiceColumns } from './column-types.js'
import { describeServiceRow } from './keys.js'
import { joinListing } from './listing.js'
import { unwrapIpvs } from './refusals.js'
import { decodeServer, describeServerRow, encodeServers, isCompleteServer, mergeServer, type ServerPaths } from './server-rows.js'
import { decodeService, encodeServiceKeys, encodeServices, isCompleteService, mergeService } from './service-rows.js'
import type { RealServer, RealServerOf, VirtualServiceKey, VirtualServiceSpec } from './types.js'

/** Above this many services reading all of them is cheaper than asking for each. */
const MAX_SINGLE = 64

/** How rows are read from the kernel. */
export interface Reading {
  readonly socket: NativeIpvsSocket
  readonly operation: string
  readonly deadlineMs: number
}

async function read(
  { socket, operation, deadlineMs }: Reading,
  keys: readonly VirtualServiceKey[],
  servers: boolean
): Promise<IpvsColumns> {
  const few = keys.length <= MAX_SINGLE ? { services: asNative(encodeServiceKeys(keys, (row) => `services[${row}]`)) } : {}
  const outcome = await socket.list({ ...few, servers, statistics: false, deadlineMs })
  return await joinListing({ ...unwrapIpvs(outcome, operation), statistics: false })
}

/** Complete columns of services to update. One that does not exist gets defaults: the kernel refuses it. @param checked The columns of `specs`. */
export async function completeServices(
  reading: Reading,
  checked: ServiceColumns,
  specs: readonly VirtualServiceSpec[],
  pathOf: (row: number) => string
): Promise<ServiceColumns> {
  const partial = specs.filter((spec) => !isCompleteService(spec))
  if (partial.length === 0) return checked
  const { services } = await read(reading, partial, false)
  const rows = new Map(Array.from({ length: services.rows }, (_, row) => [describeServiceRow(services, row), row]))
  const merged = specs.map((spec, row) => {
    const found = isCompleteService(spec) ? undefined : rows.get(describeServiceRow(checked, row))
    return mergeService(found === undefined ? undefined : decodeService(services, found), spec)
  })
  return encodeServices(merged, pathOf)
}

/** Complete columns of real servers to update. One that does not exist gets defaults: the kernel refuses it. @param checked The columns of `list`. */
export async function completeServers(
  reading: Reading,
  checked: RealServerChangeColumns,
  list: readonly RealServerOf[],
  paths: ServerPaths
): Promise<RealServerChangeColumns> {
  const partial = list.filter(({ server }) => !isCompleteServer(server))
  if (partial.length === 0) return checked
  const { services, realServers } = await read(reading, [...new Set(partial.map(({ service }) => service))], true)
  const current = new Map<string, RealServer>()
  for (let row = 0; row < realServers.rows; row += 1) {
    const service = describeServiceRow(services, realServers.service[row] ?? 0)
    current.set(`${service} ${describeServerRow(realServers, row)}`, decodeServer(realServers, row))
  }
  const merged = list.map(({ service, server }, row) => {
    const key = `${describeServiceRow(checked.services, checked.realServers.service[row] ?? 0)} ${describeServerRow(checked.realServers, row)}`
    return { service, server: isCompleteServer(server) ? server : mergeServer(current.get(key), server) }
  })
  return encodeServers(merged, paths)
}
