import type { Place } from '../../contract/behaviour/network.js'
import { run } from '../run.js'
import { API_ADDRESS } from './control-plane.js'

/** The node's address on its link to the API server, and that link on both sides. */
export const NODE_ADDRESS = '10.253.0.11'
const NODE_LINK = 'api'
const API_LINK = 'api-node'

/** What is known of a node. */
type Node = Pick<Place, 'name' | 'run'>

/** Connects a node with the API server, which is in the namespace of this process. The link goes with the node. */
export async function connectToApi(node: Node): Promise<void> {
  await run('ip', ['link', 'add', API_LINK, 'type', 'veth', 'peer', 'name', NODE_LINK, 'netns', node.name])
  await run('ip', ['link', 'set', API_LINK, 'up'])
  await node.run('ip', ['address', 'add', `${NODE_ADDRESS}/24`, 'dev', NODE_LINK])
  await setApiLink(node, 'up')
  // Where the link is down, packets must not go to the default gateway.
  await node.run('ip', ['route', 'add', 'unreachable', `${NODE_ADDRESS.replace(/\d+$/, '0')}/24`, 'metric', '4000'])
  await run('ip', ['route', 'add', `${NODE_ADDRESS}/32`, 'dev', API_LINK, 'src', API_ADDRESS])
}

/** Removes the link, so that another node can have one: the kernel removes that of a deleted namespace some time later. */
export async function disconnectFromApi(): Promise<void> {
  await run('ip', ['link', 'delete', API_LINK])
}

/** Cuts the node off from the API server, which neither is told, or connects it again. New connections fail at once meanwhile. */
export async function setApiLink(node: Node, state: 'up' | 'down'): Promise<void> {
  await node.run('ip', ['link', 'set', NODE_LINK, state])
}
