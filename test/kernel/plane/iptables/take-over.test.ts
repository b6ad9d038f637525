import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Plane } from '../../../../src/index.js'
import { iptablesNft, savedLines } from '../../../support/iptables.js'
import { readSeenInIptables, restoreSeenInIptables } from '../../../support/kube-proxy-iptables.js'
import { rejection } from '../../../support/rejection.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally, type ServiceNetwork } from '../../../support/service-network.js'

const CANARY = 'KUBE-PROXY-CANARY'
const SEEN = ['nothing', 'clusterip-dual'].map(readSeenInIptables)
const services = new Map(SEEN.flatMap((seen) => seen.services).map((service) => [service.name, service]))

async function open({ node }: Pick<ServiceNetwork, 'node'>, takeOver: boolean): Promise<Plane> {
  const localSources = ['10.244.0.0/16', 'fd00:10:244::/56']
  const plane = await openPlane({ mode: 'iptables', netns: node.path, auditMs: 0, staleFlows: false, localSources, takeOver })
  // One that could not clean up says so again.
  onTestFinished(() => plane.close().catch(() => undefined))
  return plane
}

it('what a kube-proxy left is foreign, or taken over without a connection that fails', async () => {
  const network = await makeServiceNetwork(1)
  const { node, client, servers } = network
  for (const address of ['10.244.0.11', '10.244.0.12', '10.244.1.13']) {
    await servers[0]!.ip('address', 'add', `${address}/32`, 'dev', 'eth0')
    await node.ip('route', 'add', `${address}/32`, 'via', addressOf.ip(1))
  }
  await serve(servers[0]!, 's1', 8080)
  await reachable(network, 8080)
  await restoreSeenInIptables(node, SEEN)
  // Where another program's rule is, it stays.
  await iptablesNft(node, 'ip6', '-t', 'mangle', '-A', CANARY, '-j', 'RETURN')
  const before = await savedLines(node, 'ip')

  const careful = await open(network, false)
  expect(await rejection(careful.sync(services))).toMatchObject({ code: 'ERR_NETPLANE_FOREIGN' })
  expect(await rejection(careful.close({ cleanup: true }))).toMatchObject({ code: 'ERR_NETPLANE_FOREIGN' })
  expect(await savedLines(node, 'ip')).toEqual(before)

  const plane = await open(network, true)
  const asking = ask(client, 'tcp', '10.96.1.1', 80, 400)
  const { requests, details } = await plane.sync(services)
  expect(requests).toBe(1)
  expect(details.mode).toBe('iptables')
  expect(tally(await asking)).toEqual({ s1: 400 })
  const after = await savedLines(node, 'ip')
  // The chains of services are as kube-proxy had them: nothing was written there.
  expect(after.filter((line) => line.includes('gold/dual:http ->'))).toEqual(before.filter((line) => line.includes('gold/dual:http ->')))
  expect(before.filter((line) => line.includes(CANARY))).toHaveLength(3)
  expect(after.filter((line) => line.includes(CANARY))).toEqual([])
  expect((await savedLines(node, 'ip6')).filter((line) => line.includes(CANARY))).toEqual([`:${CANARY} - [0:0]`, `-A ${CANARY} -j RETURN`])
  // The kubelet's stay.
  expect(after.filter((line) => line.includes('KUBE-FIREWALL'))).toEqual(before.filter((line) => line.includes('KUBE-FIREWALL')))
  await plane.close()

  const next = await open(network, false)
  expect(String(await next.plan(services))).toBe('nothing to do')
  await next.close({ cleanup: true })
  const left = (await savedLines(node, 'ip')).filter((line) => line.includes('KUBE-'))
  expect(left.filter((line) => !line.includes('KUBE-FIREWALL') && !line.includes('KUBELET-CANARY'))).toEqual([])
})

it('a canary that maps of others lead to stays, and keeps nothing else from being taken over and removed', async () => {
  const network = await makeServiceNetwork(0)
  const { node } = network
  await restoreSeenInIptables(node, SEEN)
  await node.nftScript(`add map ip mangle theirs { type ipv4_addr : verdict; elements = { 192.0.2.1 : jump ${CANARY} } }`)
  const plane = await open(network, true)
  await plane.sync(services)
  const canaries = async (): Promise<string[]> => (await savedLines(node, 'ip')).filter((line) => line.includes(CANARY))
  expect(await canaries()).toEqual([`:${CANARY} - [0:0]`])
  await plane.close({ cleanup: true })
  expect(await canaries()).toEqual([`:${CANARY} - [0:0]`])
  expect((await savedLines(node, 'ip')).filter((line) => line.includes('KUBE-SERVICES'))).toEqual([])
  await restoreSeenInIptables(node, SEEN)
  await node.nftScript(`add map ip mangle others { type ipv4_addr : verdict; elements = { 192.0.2.1 : jump ${CANARY} } }`)
  const next = await open(network, true)
  await next.close({ cleanup: true })
  expect(await canaries()).toEqual([`:${CANARY} - [0:0]`])
})

it('what a kube-proxy left is removed by a plane that takes it over and serves nothing', async () => {
  const network = await makeServiceNetwork(1)
  await restoreSeenInIptables(network.node, SEEN)
  const plane = await open(network, true)
  await plane.close({ cleanup: true })
  for (const family of ['ip', 'ip6'] as const) {
    const left = (await savedLines(network.node, family)).filter((line) => line.includes('KUBE-'))
    expect(left.filter((line) => !line.includes('KUBE-FIREWALL') && !line.includes('KUBELET-CANARY'))).toEqual([])
  }
})
