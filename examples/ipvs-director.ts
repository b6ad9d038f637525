/**
 * A director of IPVS with direct routing: it sees what clients send, and real servers answer clients themselves.
 *
 *   node build/examples/ipvs-director.js --vip 192.0.2.1:80 --server 192.0.2.11 --server 192.0.2.12=3 [--scheduler wlc] [--link lo]
 *
 * Real servers are on the same link, listen on the same port, and have the virtual address, too, without answering ARP for it (on each of them:
 * `ip address add 192.0.2.1/32 dev lo`, `sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2`).
 * It needs the module ip_vs and CAP_NET_ADMIN in the initial user namespace. When it ends it removes the virtual service, and the address if it added it.
 */
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Ipvs, Route, ValidationError, type RealServerSpec } from 'netplane'

const USAGE = 'usage: ipvs-director --vip ADDRESS:PORT --server ADDRESS[=WEIGHT]… [--scheduler NAME] [--link LINK]'
const options = {
  vip: { type: 'string', default: '' },
  server: { type: 'string', multiple: true, default: [] as string[] },
  scheduler: { type: 'string', default: 'wlc' },
  link: { type: 'string', default: 'lo' }
} as const

async function main(): Promise<void> {
  const { vip, server, scheduler, link } = parseArgs({ options }).values
  const [, address, port] = /^\[?([\da-f.:]+?)\]?:(\d+)$/i.exec(vip) ?? []
  if (address === undefined) throw new ValidationError('--vip', vip, 'ADDRESS:PORT')
  if (server.length === 0) throw new ValidationError('--server', server, 'the address of a real server, at least once')
  const service = { protocol: 'tcp', address, port: Number(port), scheduler } as const
  const realServers = server.map((text): RealServerSpec => {
    const [real = '', weight = '1'] = text.split('=')
    return { address: real, port: service.port, weight: Number(weight), forwarding: 'direct-route' }
  })

  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
  await using ipvs = await Ipvs.open()
  await using route = await Route.open()
  // A service that an earlier run has left is made to be as it should.
  await ipvs.sync({ set: [{ ...service, realServers }] }, { onError: 'atomic', draining: { tcp: 'at-once' } })
  // The service first: without it, this machine would refuse what comes for the address.
  const { applied } = await route.addAddresses(link, [address], { ensure: true })
  console.log(`${vip} leads to ${server.join(' ')}`)
  try {
    while (!stop.signal.aborted) {
      await setTimeout(10_000, undefined, { signal: stop.signal }).catch(() => undefined) // aborted: a signal came
      for (const { address, activeConnections, inactiveConnections } of await ipvs.listRealServers(service))
        console.log(`${address}: ${activeConnections} active and ${inactiveConnections} inactive connections`)
    }
  } finally {
    if (applied > 0) await route.removeAddresses(link, [address], { ensure: true })
    await ipvs.removeService(service, { ensure: true })
  }
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof TypeError ? 2 : 1 // of parseArgs, or a ValidationError
  console.error(error instanceof TypeError ? `${error.message.split('\n')[0]}; ${USAGE}` : (error as Error).message)
})
