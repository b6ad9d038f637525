import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Service } from 'netplane'
import { output } from '../frame/process.js'
import type { Subject } from '../frame/subject.js'
import { planeServices, type PlaneOptions } from './plane.js'

/** As {@link PlaneOptions}, and the program that asks. */
export interface FirstServiceOptions extends PlaneOptions {
  readonly asks: string
}

/** Addresses of the loopback device are enough: the node asks by itself. */
const ENDPOINT = { address: '10.200.0.1', port: 53 }
const FRONTEND = { kind: 'cluster', address: '10.95.0.10', port: 53 } as const

const important: Service = { name: 'default/dns', protocol: 'tcp', frontends: [FRONTEND], endpoints: [ENDPOINT], priority: 1 }

/** A first sync of many services, the last of which has a priority, while a client asks for that one. The figure `answered` is its time, milliseconds from the call of `sync`. */
export const firstService: Subject<FirstServiceOptions> = async ({ openPlane }, netns, { mode, asks, ...size }) => {
  const name = netns.slice(netns.lastIndexOf('/') + 1)
  await output('ip', ['-n', name, 'address', 'add', `${ENDPOINT.address}/32`, 'dev', 'lo'])
  // A node has a route to everywhere.
  await output('ip', ['-n', name, 'route', 'add', 'default', 'dev', 'lo'])
  const plane = await openPlane({ mode, netns, auditMs: 0 })
  const services = planeServices(size).set(important.name, important)
  const args = [asks, ENDPOINT.address, ENDPOINT.port, FRONTEND.address, FRONTEND.port].map(String)
  const client = spawn('nsenter', [`--net=${netns}`, 'python3', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const line = await lines.next()
    if (line.done === true) throw new Error('the client ended without an answer')
    return line.value
  }
  await next()
  const figures: Record<string, number> = {}
  return {
    work: async () => {
      const began = process.hrtime.bigint()
      const answer = next()
      const { quarantined } = await plane.sync(services)
      figures.synced = Number(process.hrtime.bigint() - began) / 1e6
      if (quarantined[0] !== undefined) throw quarantined[0].error
      figures.answered = Number(BigInt(await answer) - began) / 1e6
    },
    close: async () => {
      client.kill()
      await plane.close()
    },
    figures: () => figures
  }
}
