import { readFileSync } from 'node:fs'
import type { Rig } from './plane-rigs.js'

/** Of what /proc/net lists: sockets of TCP that listen, and those of UDP that are bound and not connected. */
const LISTENING = { tcp: '0A', udp: '07' } as const

/** `protocol port` of all sockets of the network namespace that wait for clients. */
function listening(): ReadonlySet<string> {
  const found = new Set<string>()
  for (const protocol of ['tcp', 'udp'] as const)
    for (const file of [protocol, `${protocol}6`])
      for (const line of readFileSync(`/proc/net/${file}`, 'utf8').split('\n').slice(1)) {
        const [, local = '', , state] = line.trim().split(/\s+/)
        if (state === LISTENING[protocol]) found.add(`${protocol} ${Number.parseInt(local.split(':')[1]!, 16)}`)
      }
  return found
}

/** Ports to which the tables of a userspace plane lead, and at which nobody listens. */
export async function deadPorts(rig: Rig): Promise<string[]> {
  const nft = await rig.nftables()
  const { elements } = await nft.list({ elements: true })
  const open = listening()
  const led = elements
    .filter(({ set }) => set.name === 'relay-ports' && set.table === rig.table)
    .flatMap((listed) => [...listed].map(({ key }) => (key as readonly (string | number)[]).join(' ')))
  return led.filter((port) => !open.has(port))
}
