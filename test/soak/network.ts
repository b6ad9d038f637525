/**
 * The network of a soak, whose servers also answer over connections that are kept.
 */
import { TALKER } from '../support/kept-connections.js'
import { makeServingNetwork, type NetworkOptions, type ServiceNetwork } from '../support/service-network.js'

/** Numbers of its servers. */
export const SERVERS = [1, 2, 3]

/**
 * Somebody else's rules. They keep the kernel tracking and translating connections when all of the plane's are gone: with the last rule that needs connection tracking its hooks go, too
 * (nf_ct_netns_put, net/netfilter/nf_conntrack_proto.c), and answers leave with addresses that clients do not know.
 */
const FOREIGN = [
  ['ip', '192.0.2.1'],
  ['ip6', '2001:db8::1']
]
  .map(
    ([family, address]) =>
      `table ${family} somebody { chain nat { type nat hook postrouting priority 200; ${family} daddr ${address} masquerade; }; }`
  )
  .join('\n')

/** Builds it; it goes with the test. */
export async function makeSoakNetwork(options: NetworkOptions = {}): Promise<ServiceNetwork> {
  const made = await makeServingNetwork(SERVERS.length, options)
  for (const [index, host] of made.servers.entries()) await host.background('python3', ['-c', TALKER, `s${index + 1}`]).waitFor('ready')
  await made.node.nftScript(FOREIGN)
  return made
}
