/**
 * Changes of services and real servers, many at a time.
 */
import {
  NetlinkError,
  ValidationError,
  type BulkOptions,
  type BulkReport,
  type Ipvs,
  type Persistence,
  type RealServerOf,
  type VirtualServiceKey,
  type VirtualServiceSpec
} from 'netplane'
import { refusalText } from './refusals.js'
import type { Request, ServiceRequest } from './request.js'
import type { CommandName } from './switches.js'

/** The service that a command line names. */
export function serviceKey({ fwmark, family, protocol, address, port }: ServiceRequest): VirtualServiceKey {
  return fwmark === 0 ? { protocol: protocol!, address: address!, port } : { fwmark, family }
}

function persistenceOf({ persistenceSeconds, netmask, prefixLength, family }: ServiceRequest): Persistence | null {
  if (persistenceSeconds === undefined) return null
  return { timeoutSeconds: persistenceSeconds, ...(family === 'ip6' ? { prefixLength } : { netmask }) }
}

/** Everything is mentioned: what is not given is reset, also by an update. */
const specOf = ({ service }: Request): VirtualServiceSpec => ({
  ...serviceKey(service),
  scheduler: service.scheduler,
  flags: service.flags,
  persistence: persistenceOf(service),
  persistenceEngine: service.engine || null
})

const serverOf = ({ service, server }: Request): RealServerOf => ({
  service: serviceKey(service),
  server: {
    address: server.address,
    port: server.port,
    forwarding: server.forwarding,
    weight: server.weight,
    upperThreshold: server.upperThreshold,
    lowerThreshold: server.lowerThreshold,
    tunnel: server.forwarding === 'tunnel' ? server.tunnel : null
  }
})

const changes = {
  'add-service': (ipvs, requests, options) => ipvs.addServices(requests.map(specOf), options),
  'edit-service': (ipvs, requests, options) => ipvs.updateServices(requests.map(specOf), options),
  'delete-service': (ipvs, requests, options) =>
    ipvs.removeServices(
      requests.map(({ service }) => serviceKey(service)),
      options
    ),
  'add-server': (ipvs, requests, options) => ipvs.addRealServers(requests.map(serverOf), options),
  'edit-server': (ipvs, requests, options) => ipvs.updateRealServers(requests.map(serverOf), options),
  'delete-server': (ipvs, requests, options) => ipvs.removeRealServers(requests.map(serverOf), options)
} as const satisfies Partial<Record<CommandName, (ipvs: Ipvs, requests: readonly Request[], options: BulkOptions) => Promise<BulkReport>>>

/** Commands that can be carried out many at a time. */
export type ChangeCommand = keyof typeof changes

export function isChange(command: CommandName): command is ChangeCommand {
  return Object.hasOwn(changes, command)
}

async function applyEach(ipvs: Ipvs, command: ChangeCommand, requests: readonly Request[]): Promise<(string | undefined)[]> {
  const refusals: (string | undefined)[] = []
  for (const request of requests) {
    try {
      await changes[command](ipvs, [request], { onError: 'throw' })
      refusals.push(undefined)
    } catch (error) {
      refusals.push(refusalText(command, error))
    }
  }
  return refusals
}

/**
 * Carries out commands of one kind, in few system calls.
 *
 * @returns For each why it was refused; undefined where it was not.
 */
export async function applyChanges(ipvs: Ipvs, command: ChangeCommand, requests: readonly Request[]): Promise<(string | undefined)[]> {
  try {
    const report = await changes[command](ipvs, requests, { onError: 'isolate' })
    // What was stopped (the deadline, lost replies) says why for the rows that it left.
    const refusals = requests.map((_, row) => (report.outcomes[row] === 'applied' ? undefined : refusalText(command, report.stopped)))
    for (const error of report.refused) refusals[error.index ?? 0] = refusalText(command, error)
    return refusals
  } catch (error) {
    // One of them could not even be sent, so none was: each has to answer for itself.
    if (error instanceof ValidationError) return await applyEach(ipvs, command, requests)
    if (error instanceof NetlinkError) return requests.map(() => refusalText(command, error))
    throw error
  }
}
