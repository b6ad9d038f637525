import { readFile } from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import { openPlane, type Plane, type PlaneMode, type Service } from '../../../src/index.js'
import { iptablesNft } from '../../support/iptables.js'
import { KEEPER, TALKER } from '../../support/kept-connections.js'
import { openedPlane } from '../../support/opened-plane.js'
import { VIP } from '../../support/plane-ways.js'
import { addressOf, makeServingNetwork, type ServiceNetwork } from '../../support/service-network.js'
import { badRounds, CUSTOMER, expectNoneFailed, moreServed } from '../../support/switching.js'
import { contentsOfAll } from '../../support/table-contents.js'

/** What the last state of the package with layout 1 wrote for these services, and for two others: `gone`, and `empty` without endpoints. */
const LAYOUT_1 = new URL('../../support/plane-layouts/nftables-1.nft', import.meta.url)

const families = ['ip', 'ip6'] as const

const services: ReadonlyMap<string, Service> = new Map(
  [['web', 80, 8080] as const, ['talk', 81, 81] as const].map(([name, port, target]) => [
    name,
    {
      name,
      protocol: 'tcp',
      frontends: families.map((family) => ({ kind: 'cluster', address: VIP[family], port })),
      endpoints: [1, 2].flatMap((host) => families.map((family) => ({ address: addressOf[family](host), port: target })))
    } satisfies Service
  ])
)

const open = ({ node }: ServiceNetwork, mode: PlaneMode): Promise<Plane> => openedPlane({ mode, netns: node.path, auditMs: 0 })

/** A plane of today in the place of what an earlier version left: nobody notices, and it leaves what one leaves that finds nothing. */
async function expectUpgrade(network: ServiceNetwork, mode: PlaneMode): Promise<void> {
  const { client, node } = network
  const customers = families.map((family) => client.background('python3', ['-c', CUSTOMER, 'tcp', VIP[family], '80']))
  const keeper = client.background('python3', ['-c', KEEPER, VIP.ip, '4'])
  await keeper.waitFor('round 1 ')
  await moreServed(customers, 30_000)
  const plane = await open(network, mode)
  expect((await plane.plan(services)).isEmpty).toBe(false)
  expect(await plane.sync(services)).toMatchObject({ quarantined: [] })
  expect((await plane.plan(services)).isEmpty).toBe(true)
  await moreServed(customers, 30_000)
  const rounds = keeper.output().split('\n').length
  await vi.waitFor(() => expect(keeper.output().split('\n').length).toBeGreaterThan(rounds + 3), { timeout: 20_000 })
  await expectNoneFailed(customers, 20_000)
  expect(badRounds(keeper.output())).toEqual([])
  const upgraded = await contentsOfAll(node)
  await plane.close()
  await node.nft('flush', 'ruleset')
  await (await open(network, mode)).sync(services)
  expect(upgraded).toEqual(await contentsOfAll(node))
}

async function makeNetwork(): Promise<ServiceNetwork> {
  const network = await makeServingNetwork(2)
  const talkers = network.servers.map((host, index) => host.background('python3', ['-c', TALKER, `s${index + 1}`]))
  await Promise.all(talkers.map((talker) => talker.waitFor('ready')))
  return network
}

it('takes the place of tables of layout 1, and of services that are gone', async () => {
  const network = await makeNetwork()
  const left = await readFile(LAYOUT_1, 'utf8')
  expect(left).toContain('comment "netplane services 1"')
  await network.node.nftScript(left)
  await expectUpgrade(network, 'nftables')
  expect(await network.node.nft('list', 'ruleset')).not.toContain('netplane services 1')
}, 60_000)

it('takes the place of rules of iptables that say another version', async () => {
  const network = await makeNetwork()
  const { node } = network
  const before = await openPlane({ mode: 'iptables', netns: node.path, auditMs: 0 })
  await before.sync(services)
  await before.close()
  for (const family of families)
    for (const table of ['nat', 'filter'])
      await iptablesNft(node, family, '-t', table, '-R', 'KUBE-NETPLANE', '1', '-m', 'comment', '--comment', 'netplane services, layout 0')
  await expectUpgrade(network, 'iptables')
  expect(await node.nft('list', 'ruleset')).not.toContain('layout 0')
}, 60_000)
