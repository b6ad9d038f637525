import { onTestFinished, expect, it } from 'vitest'
import { openPlane, type Plane } from '../../../../src/index.js'
import { until } from '../../../support/run.js'
import { answers, everywhere, servicesOn, VIP } from '../../../support/plane-ways.js'
import { addressOf, ask, tally, type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'

async function open(network: ServiceNetwork): Promise<Plane> {
  const draining = { tcp: 'at-once', udp: 'at-once' } as const
  const plane = await openPlane({ mode: 'ipvs', netns: network.node.path, localSources: ['10.1.0.0/24'], draining, auditMs: 500 })
  onTestFinished(() => plane.close())
  return plane
}

/** One test with one network, for the same reason; the plane's unit tests have the details. */
it('the ipvs plane serves, changes, refuses, repairs, is adopted and goes, on this kernel', async () => {
  const network = await makeServingNetwork(2)
  const ipvsadm = (): Promise<string> => network.node.run('ipvsadm-save', ['-n'])

  const first = await open(network)
  await first.sync(servicesOn(1, 2))
  expect(await answers(network, 10)).toEqual(everywhere('s1', 's2'))
  // The node itself, whose connections are masqueraded: their source would be the service's own address.
  expect(Object.keys(tally(await ask(network.node, 'tcp', VIP.ip, 80, 4))).sort()).toEqual(['s1', 's2'])
  // A client that is a local source keeps its address; the servers see the node instead of others.
  expect(await ask(network.client, 'tcp', VIP.ip, 80, 1)).toEqual([expect.stringMatching(/^s[12] 10\.1\.0\.2$/)])
  expect(await ask(network.client, 'tcp', VIP.ip6, 80, 1)).toEqual([expect.stringMatching(/^s[12] fd00:1:[12]::1$/)])

  // IPVS sums what its processors count every two seconds.
  await until('all connections are counted', async () => {
    const { connections, traffic, endpoints } = (await first.counters()).get('tcp')!
    const sum = endpoints.reduce((all, endpoint) => all + endpoint.connections, 0n)
    return connections >= 16n && sum === connections && traffic!.incomingPackets > connections
  })

  await first.update({ set: [...servicesOn().values()] })
  expect(await answers(network, 1)).toEqual(everywhere('ConnectionRefusedError'))
  await first.update({ set: [...servicesOn(1).values()] })

  const events = first.watch()
  await network.node.run('ipvsadm', ['-C'])
  await network.node.ip('address', 'flush', 'dev', 'netplane')
  for await (const event of events) if (event.type === 'repaired') break
  // The first audit may have come between the two commands.
  await until('all is repaired', async () => JSON.stringify(await answers(network, 2)) === JSON.stringify(everywhere('s1')))
  const saved = await ipvsadm()
  const rules = await network.node.nft('list', 'ruleset')
  await network.node.nft('flush', 'ruleset')
  await first.sync(servicesOn(1))
  expect(await network.node.nft('list', 'ruleset')).toBe(rules)
  await first.close()

  const second = await open(network)
  expect(String(await second.plan(servicesOn(1)))).toBe('nothing to do')
  expect((await second.plan(servicesOn(1))).isEmpty).toBe(true)
  await second.sync(servicesOn(1))
  expect(await ipvsadm()).toBe(saved)
  const listed = await network.node.nft('list', 'ruleset')
  expect(listed).not.toMatch(/@nh|@th|unknown/)
  await second.close({ cleanup: true })
  expect(await ipvsadm()).toBe('')
  expect(await network.node.nft('list', 'tables')).toBe('')
  expect((await network.node.attempt('ip', ['link', 'show', 'netplane'])).status).not.toBe(0)
})

/** Asks from a port of this node, and prints who answered. */
const ASK_FROM = `
import socket, sys
address, own = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10); s.bind(('', own)); s.connect((address, 8080)); s.send(b'x'); print(s.recv(200).decode().split()[0])
`

it('answers to the node itself are not taken for questions to a port of the node, from which it asked', async () => {
  const network = await makeServingNetwork(2)
  const plane = await open(network)
  const endpoints = [addressOf.ip(1), addressOf.ip6(1)].map((address) => ({ address, port: 8080 }))
  await plane.sync(new Map([['dns', { name: 'dns', protocol: 'udp', frontends: [{ kind: 'node', port: 30_053 }], endpoints }]]))
  for (const address of [addressOf.ip(2), addressOf.ip6(2)])
    expect((await network.node.run('python3', ['-c', ASK_FROM, address, '30053'])).trim()).toBe('s2')
})
