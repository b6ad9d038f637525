import { describe, expect, it } from 'vitest'
import { Conntrack } from '../../../src/conntrack/client.js'
import { expectAsShown } from '../../support/conntrack.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, serveSctp } from '../../support/service-network.js'

const service = { ip: '10.96.0.10', ip6: 'fd00:96::10' } as const
/** As the client writes its addresses. */
const client = { ip: addressOf.ip(0), ip6: 'fd00:1::2' } as const
const rules = `
table ip nat {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ip daddr ${service.ip} meta l4proto { tcp, udp, sctp } dnat to ${addressOf.ip(1)}:8080
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ct status dnat masquerade
  }
}
table ip6 nat {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ip6 daddr ${service.ip6} meta l4proto { tcp, udp } dnat to [${addressOf.ip6(1)}]:8080
  }
}`

describe('flows through NAT', () => {
  it('of real packets have both tuples, and are listed and removed by them', async () => {
    const network = await makeServiceNetwork(1)
    const [server] = network.servers
    await serve(server!, 'one', 8080)
    await serveSctp(server!, 'one', 8080)
    await reachable(network, 8080)
    await network.node.nftScript(rules)
    await using conntrack = await Conntrack.open({ netns: network.node.path })
    // Three seconds else: the associations go no further.
    await conntrack.writeSettings({ sctpCookieWaitTimeoutSeconds: 600 })
    for (const [protocol, family] of [
      ['tcp', 'ip'],
      ['udp', 'ip'],
      ['sctp', 'ip'],
      ['tcp', 'ip6'],
      ['udp', 'ip6']
    ] as const)
      expect(await ask(network.client, protocol, service[family], 80, 2)).toHaveLength(2)
    await expectAsShown(network.node, await conntrack.list())

    const flows = await conntrack.list({ filter: { nat: 'destination', originalDestinationPort: 80, protocol: ['tcp', 'udp', 'sctp'] } })
    expect(flows).toHaveLength(10)
    for (const { family, original, reply, status } of flows) {
      expect(original).toMatchObject({ source: client[family], destination: service[family], destinationPort: 80 })
      expect(reply).toMatchObject({ source: addressOf[family](1), sourcePort: 8080 })
      expect(reply.destination).toBe(family === 'ip' ? '10.1.1.1' : client.ip6)
      expect(status).toEqual(expect.arrayContaining(['destination-nat', 'destination-nat-done', 'seen-reply', 'confirmed']))
      expect(status.includes('source-nat')).toBe(family === 'ip')
    }
    const count = (filter: Parameters<Conntrack['removeWhere']>[0]): Promise<number> => conntrack.count({ filter })
    expect(await count({ nat: 'source' })).toBe(6)
    expect(await count({ nat: 'any' })).toBe(10)
    expect(await count({ nat: 'none' })).toBe((await conntrack.count()) - 10)
    expect(await count({ replySource: addressOf.ip(1), nat: 'any' })).toBe(6)
    const endpoint = { address: addressOf.ip6(1), port: 8080 }
    expect(await count({ originalDestination: service.ip6, replySourceIn: [endpoint] })).toBe(4)
    expect(await count({ originalDestination: service.ip6, replySourceNotIn: [endpoint] })).toBe(0)
    const stale = await conntrack.removeWhere({
      protocol: 'udp',
      originalDestination: service.ip,
      originalDestinationPort: 80,
      replySourceNotIn: [{ address: addressOf.ip(2), port: 8080 }]
    })
    expect(stale).toMatchObject({ matched: 2, removed: 2, vanished: 0, kernelFiltered: true })
    expect(await count({ nat: 'any' })).toBe(8)
    expect(await count({ nat: 'any', protocol: 'udp' })).toBe(2)
  })
})
