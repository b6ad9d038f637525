import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * A node, a client and some backends, each a network namespace on veth links. The demo runs in namespaces of its own (user, network, mount, process), so all of it goes with the
 * demo, however that ends.
 */
export const CLIENT_ADDRESS = '10.0.0.2'
/** The client has it too. */
export const OTHER_CLIENT_ADDRESS = '10.0.0.3'
/** The node's, on the client's link. */
export const NODE_ADDRESS = '10.0.0.1'

export function backendAddress(number: number): string {
  return `10.244.${number}.2`
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'inherit'] })
}

function addHost(name: string, link: string, gateway: string, ...addresses: string[]): void {
  ip('netns', 'add', name)
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  ip('address', 'add', `${gateway}/24`, 'dev', link)
  ip('link', 'set', link, 'up')
  ip('-n', name, 'link', 'set', 'lo', 'up')
  for (const address of addresses) ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  ip('-n', name, 'route', 'add', 'default', 'via', gateway)
}

/** Builds the network: a client, and backends numbered from 1. */
export function buildNetwork(backends: number): void {
  ip('link', 'set', 'lo', 'up')
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  addHost('client', 'client', NODE_ADDRESS, CLIENT_ADDRESS, OTHER_CLIENT_ADDRESS)
  for (let number = 1; number <= backends; number++)
    addHost(`backend${number}`, `backend${number}`, `10.244.${number}.1`, backendAddress(number))
  // As any node has: what is sent to a service must be routed somewhere before it can be sent elsewhere, or refused.
  ip('route', 'add', 'default', 'via', backendAddress(1))
}

/** Starts one of the demo's programs in a host, with an IPC channel; resolves when it says that it is ready. */
export async function startIn(host: string, program: string, ...args: string[]): Promise<ChildProcess> {
  const file = fileURLToPath(new URL(`${program}.js`, import.meta.url))
  const child = spawn('ip', ['netns', 'exec', host, process.execPath, file, ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}
