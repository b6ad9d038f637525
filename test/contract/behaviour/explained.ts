// What an explanation says that becomes of a row.
import { addressOf, nodeAddress } from './network.js'
import { hostOf, type Expected, type Row, type Seen, type Server } from './types.js'
import type { Explanation, Plane } from '../../../src/index.js'

/** Whose servers the endpoints' addresses are. */
const servers = new Map(
  (['pod-a', 'pod-b', 'far-c'] as const).flatMap((host) => Object.values(addressOf[host]).map((address) => [address, host]))
)

const isOfNode = (address: string): boolean => Object.values(nodeAddress).some(({ ip, ip6 }) => address === ip || address === ip6)

/** What the network does with a packet that a plane leaves alone: the node's own kernel has no server, and what is not the node's goes to `uplink`. */
function untouched({ address, protocol }: Row): Expected {
  if (isOfNode(address)) return { refused: protocol === 'tcp' ? 'reset' : 'icmp' }
  return { answers: { uplink: 'client' } }
}

function expectedOf(row: Row, { outcome }: Explanation): Expected {
  if (outcome.type === 'untouched') return untouched(row)
  if (outcome.type === 'refused') return { refused: 'icmp' }
  if (outcome.type === 'dropped') return { refused: 'silence' }
  return { answers: Object.fromEntries(outcome.endpoints.map(({ address, source }) => [servers.get(address)!, source])) }
}

/** What may happen to clients at several addresses. */
function together(all: readonly Expected[]): Expected {
  const answers: Partial<Record<Server, Seen>> = {}
  for (const one of all) {
    if (!('answers' in one)) return one
    Object.assign(answers, one.answers)
  }
  return { answers }
}

/** What a plane says of a row, whose services are in effect. */
export async function predictionOf(plane: Pick<Plane, 'explain'>, row: Row): Promise<Expected> {
  const { protocol, address, port, sources, client, services } = row
  const predictions: Expected[] = []
  for (const from of sources) {
    const explanation = await plane.explain({ protocol, address, port, from })
    const { request, outcome } = explanation
    const isRight = request.direction === (hostOf[client] === 'node' ? 'outgoing' : 'incoming')
    if (!isRight) throw new Error(`${row.id}: explained as ${request.direction}`)
    if ('service' in outcome && outcome.service !== undefined && !services.some(({ name }) => name === outcome.service))
      throw new Error(`${row.id}: explained with service ${outcome.service}`)
    predictions.push(expectedOf(row, explanation))
  }
  return together(predictions)
}
