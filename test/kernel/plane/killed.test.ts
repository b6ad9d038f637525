import { fileURLToPath } from 'node:url'
import { expect, it, vi } from 'vitest'
import { openPlane, type PlaneMode, type Service } from '../../../src/index.js'
import { KEEPER, TALKER } from '../../support/kept-connections.js'
import { isInLab } from '../../support/lab.js'
import { VIP } from '../../support/plane-ways.js'
import { Random } from '../../support/random.js'
import type { Background } from '../../support/run.js'
import { addressOf, ask, makeServingNetwork, tally, type ServiceNetwork } from '../../support/service-network.js'
import { badRounds, CUSTOMER, expectNoneFailed, moreServed } from '../../support/switching.js'
import { contentsOfAll } from '../../support/table-contents.js'
import { findHole } from '../../support/whole-tables.js'

const WORKER = fileURLToPath(new URL('../../support/plane-worker.mjs', import.meta.url))

/** How often a process is killed: NETPLANE_KILLS. Node takes seconds to start on the emulated processors of the lab. */
const KILLS = Number(process.env.NETPLANE_KILLS ?? (isInLab ? 10 : 40))

/** A walk of processes that are killed one after the other. */
interface Walk {
  /** Processes go to and fro between two. */
  readonly modes: readonly PlaneMode[]
  /** Most services, where sets are to grow. */
  readonly large?: number
  /** The longest time that a process syncs before it is killed. */
  readonly lifeMs: number
}

/** Those who ask meanwhile, and go on asking connections that they have. */
interface Clients {
  readonly customers: readonly Background[]
  readonly keeper: Background
}

async function startClients({ client }: ServiceNetwork): Promise<Clients> {
  const customers = [VIP.ip, VIP.ip6].map((address) => client.background('python3', ['-c', CUSTOMER, 'tcp', address, '80']))
  const keeper = client.background('python3', ['-c', KEEPER, VIP.ip, '4'])
  await keeper.waitFor('round 1 ')
  await moreServed(customers, 30_000)
  return { customers, keeper }
}

/** No connection failed, neither a new one nor one of those that were kept. */
async function expectServed({ customers, keeper }: Clients): Promise<void> {
  await moreServed(customers, 30_000)
  await expectNoneFailed(customers, 30_000)
  expect(badRounds(keeper.output())).toEqual([])
}

/** The mode that the next process begins with: either one where a switch is noted, and else that of which there is something. */
async function nextMode({ node }: ServiceNetwork, modes: readonly PlaneMode[], random: Random): Promise<PlaneMode> {
  if (modes.length === 1) return modes[0]!
  const chains = await node.nft('list', 'chains')
  if (chains.includes('table ip netplane-switch-')) return random.pick(modes)
  const there = modes.filter((mode) => chains.includes(mode === 'nftables' ? 'table ip netplane {' : 'chain KUBE-NETPLANE'))
  // What is not noted would stay for ever.
  expect(there.length).toBeLessThan(2)
  return there[0] ?? random.pick(modes)
}

/** Starts a process, lets it sync for a random time, and kills it. */
async function killOne(network: ServiceNetwork, { modes, large = 0, lifeMs }: Walk, random: Random): Promise<void> {
  const first = await nextMode(network, modes, random)
  const names = [first, ...modes.filter((mode) => mode !== first)].join()
  const worker = network.node.background(process.execPath, [WORKER, names, String(random.below(1_000_000)), String(large)])
  await worker.waitFor('ready', 60_000)
  await new Promise((resolve) => setTimeout(resolve, random.below(lifeMs)))
  await worker.stop('SIGKILL')
  // A process that ended by itself would have said why.
  expect(worker.output()).toBe('ready\n')
}

const last: ReadonlyMap<string, Service> = new Map([
  [
    'web',
    {
      name: 'web',
      protocol: 'tcp',
      frontends: [
        { kind: 'cluster', address: VIP.ip, port: 80 },
        { kind: 'node', port: 30_001 }
      ],
      endpoints: [{ address: addressOf.ip(1), port: 8080 }]
    }
  ]
])

/** The next plane leaves what one leaves that finds nothing. */
async function expectFresh({ node, client }: ServiceNetwork, mode: PlaneMode): Promise<void> {
  const syncedBy = async (): Promise<string[]> => {
    const plane = await openPlane({ mode, netns: node.path, auditMs: 0 })
    await plane.sync(last)
    await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), { timeout: 30_000 })
    expect((await plane.plan(last)).isEmpty).toBe(true)
    expect(tally(await ask(client, 'tcp', VIP.ip, 80, 3))).toEqual({ s1: 3 })
    const left = await contentsOfAll(node)
    await plane.close({ cleanup: true })
    return left
  }
  const afterKills = await syncedBy()
  await node.nft('flush', 'ruleset')
  expect(afterKills).toEqual(await syncedBy())
}

const walks: readonly (Walk & { readonly what: string; readonly kills: number })[] = [
  { what: 'rules of nftables', modes: ['nftables'], lifeMs: 40, kills: KILLS },
  { what: 'rules of nftables whose sets grow', modes: ['nftables'], lifeMs: 200, large: 4000, kills: Math.ceil(KILLS / 4) },
  { what: 'rules of iptables', modes: ['iptables'], lifeMs: 60, kills: KILLS },
  { what: 'relays', modes: ['userspace'], lifeMs: 100, kills: KILLS },
  { what: 'planes that switch', modes: ['nftables', 'iptables'], lifeMs: 150, kills: Math.ceil(KILLS / 2) }
]

it.each(walks)(
  '$what of processes that are killed $kills times serve throughout, and are as fresh ones in the end',
  { timeout: 120_000 + KILLS * 3_000 },
  async ({ kills, ...walk }) => {
    const network = await makeServingNetwork(2, { isOwn: true })
    const talkers = network.servers.map((host, index) => host.background('python3', ['-c', TALKER, `s${index + 1}`]))
    await Promise.all(talkers.map((talker) => talker.waitFor('ready')))
    const random = new Random(42)
    // Relays end with their process, and so do connections.
    const isServing = !walk.modes.includes('userspace')
    let clients: Clients | undefined
    for (let kill = 1; kill <= kills; kill++) {
      await killOne(network, kill === 1 ? { ...walk, lifeMs: 20 * walk.lifeMs } : walk, random)
      expect(await findHole(network.node)).toBeUndefined()
      if (kill === 1 && isServing) clients = await startClients(network)
    }
    if (clients !== undefined) await expectServed(clients)
    await expectFresh(network, await nextMode(network, walk.modes, random))
  }
)
