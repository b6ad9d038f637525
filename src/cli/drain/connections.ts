/**
 * Connections that endpoints have, as each mode knows them.
 */
import { canonicalAddress } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import { Conntrack, type FlowFilter } from '../../conntrack/index.js'
import type { CommandEnvironment } from '../environment.js'
import type { Mode, PlaneCommandOptions } from '../options.js'
import { readFrontends } from '../show/read.js'
import type { ChosenEndpoint } from './endpoints.js'

/** States of connections that have not ended; of other protocols every flow counts. */
const OPEN_STATES: Readonly<Partial<Record<Protocol, readonly string[]>>> = {
  tcp: ['syn-sent', 'syn-received', 'syn-sent2', 'established', 'fin-wait', 'close-wait', 'last-ack'],
  sctp: ['cookie-wait', 'cookie-echoed', 'established', 'shutdown-sent', 'shutdown-received', 'shutdown-ack-sent']
}

/** How many connections there are. */
export type CountConnections = () => Promise<number>

type Place = Pick<PlaneCommandOptions, 'netns' | 'name'>

/** Translated flows that these endpoints answer: a client that asks an endpoint by its own address is not sent there by a service. */
function filtersFor(endpoints: readonly ChosenEndpoint[]): FlowFilter[] {
  return [...new Set(endpoints.map(({ protocol }) => protocol))].map((protocol) => {
    const state = OPEN_STATES[protocol]
    const own = endpoints.filter((endpoint) => endpoint.protocol === protocol)
    return { protocol, nat: 'destination', replySourceIn: own, ...(state === undefined ? {} : { state }) }
  })
}

/** Counts by connection tracking, in a walk through all flows. */
async function countFlows(environment: CommandEnvironment, { netns }: Place, endpoints: readonly ChosenEndpoint[]): Promise<number> {
  const { signal, kernel } = environment
  const conntrack = await Conntrack.open({ netns, signal, kernel: kernel?.conntrack })
  try {
    return await conntrack.count({ filter: filtersFor(endpoints), signal })
  } finally {
    await conntrack.close()
  }
}

/** Counts by what IPVS says of its real servers. */
async function countByIpvs(environment: CommandEnvironment, place: Place, endpoints: readonly ChosenEndpoint[]): Promise<number> {
  const wanted = new Set(endpoints.map(({ address, port }) => `${address} ${port}`))
  const frontends = await readFrontends(environment, { ...place, mode: 'ipvs' })
  return frontends
    .filter(({ isOurs }) => isOurs)
    .flatMap((frontend) => frontend.endpoints)
    .filter(({ address, port }) => wanted.has(`${canonicalAddress(address)} ${port}`))
    .reduce((sum, { activeConnections = 0, inactiveConnections = 0 }) => sum + activeConnections + inactiveConnections, 0)
}

/** What counts the connections of endpoints in a mode. */
export function connectionsOf(
  environment: CommandEnvironment,
  mode: Mode,
  place: Place,
  endpoints: readonly ChosenEndpoint[]
): CountConnections {
  const count = mode === 'ipvs' ? countByIpvs : countFlows
  return () => count(environment, place, endpoints)
}
