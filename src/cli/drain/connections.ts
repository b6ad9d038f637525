/**
 * Connections that endpoints have, as each mode knows them.
 */
import { canonicalAddress } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import { Conntrack, type FlowFilter } from '../../conntrack/index.js'
import { Ipvs } from '../../ipvs/index.js'
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

/**
 * States of entries of IPVS that are none of an inactive connection which has not ended: the active ones, those that have ended, and templates of persistence
 * (net/netfilter/ipvs/ip_vs_proto_tcp.c, ip_vs_proto_sctp.c, ip_vs_proto.c).
 */
const OTHER_STATES: ReadonlySet<string> = new Set(['ESTABLISHED', 'TIME_WAIT', 'CLOSE', 'CLOSED', 'REJECTED', 'NONE', 'ASSURED'])

type Wanted = (protocol: string | undefined, address: string, port: number) => boolean

/** Those that have not ended among the inactive ones of TCP and SCTP, in a walk through the connections of IPVS. */
async function countOpenInactive({ signal, kernel }: CommandEnvironment, { netns }: Place, isWanted: Wanted): Promise<number> {
  const ipvs = await Ipvs.open({ netns, signal, kernel: kernel?.ipvs })
  try {
    let count = 0
    for await (const { protocol, realAddress, realPort, state } of ipvs.iterateConnections()) {
      signal.throwIfAborted()
      if (!OTHER_STATES.has(state) && isWanted(protocol, realAddress, realPort)) count += 1
    }
    return count
  } finally {
    await ipvs.close()
  }
}

/** Counts by what IPVS says of its real servers, and where these have inactive connections by the connections themselves: for two minutes they are of TCP ones that have ended. */
async function countByIpvs(environment: CommandEnvironment, place: Place, endpoints: readonly ChosenEndpoint[]): Promise<number> {
  const wanted = new Set(endpoints.map(({ protocol, address, port }) => `${protocol} ${address} ${port}`))
  const isWanted: Wanted = (protocol, address, port) => wanted.has(`${protocol ?? ''} ${canonicalAddress(address)} ${port}`)
  let [count, inactive] = [0, 0]
  for (const { protocol, endpoints: servers, isOurs } of await readFrontends(environment, { ...place, mode: 'ipvs' })) {
    for (const { address, port, activeConnections = 0, inactiveConnections = 0 } of isOurs ? servers : []) {
      if (!isWanted(protocol, address, port)) continue
      count += activeConnections
      if (protocol === 'udp') count += inactiveConnections
      else inactive += inactiveConnections
    }
  }
  return count + (inactive === 0 ? 0 : await countOpenInactive(environment, place, isWanted))
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
