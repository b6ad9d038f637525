/**
 * Processes that have a plane and are killed at any moment, one after the other.
 */
import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'
import { openPlane, type PlaneMode, type Service } from '../../src/index.js'
import { KEEPER, TALKER } from './kept-connections.js'
import { isInLab, patience } from './lab.js'
import type { TestNamespace } from './namespace.js'
import { VIP } from './plane-ways.js'
import { Random } from './random.js'
import type { Background } from './run.js'
import { addressOf, ask, makeServingNetwork, tally, type ServiceNetwork } from './service-network.js'
import { badRounds, CUSTOMER, expectNoneFailed, moreServed } from './switching.js'
import { contentsOfAll } from './table-contents.js'
import { findHole } from './whole-tables.js'

const WORKER = fileURLToPath(new URL('plane-worker.mjs', import.meta.url))

/** How often a process is killed: NETPLANE_KILLS. Node takes seconds to start on the emulated processors of the lab. */
export const KILLS = Number(process.env.NETPLANE_KILLS ?? (isInLab ? 10 : 40))

/** A walk of processes that are killed one after the other. */
export interface Walk {
  readonly kills: number
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
  await keeper.stop()
}

/** What is listed of a mode, but not of the others. */
const MARKS: Readonly<Record<PlaneMode, string>> = {
  nftables: 'table ip netplane {',
  iptables: 'chain KUBE-NETPLANE',
  ipvs: 'table ip netplane-ipvs {',
  userspace: 'table ip netplane-userspace {'
}

/** The mode that the next process begins with: either one where a switch is noted, and else that of which there is something. */
async function nextMode({ node }: ServiceNetwork, modes: readonly PlaneMode[], random: Random): Promise<PlaneMode> {
  if (modes.length === 1) return modes[0]!
  const chains = await node.nft('list', 'chains')
  if (chains.includes('table ip netplane-switch-')) return random.pick(modes)
  const there = modes.filter((mode) => chains.includes(MARKS[mode]))
  // What is not noted would stay for ever.
  expect(there.length).toBeLessThan(2)
  return there[0] ?? random.pick(modes)
}

/** What the kernel holds of a plane, without what depends on history. */
async function contentsIn(node: TestNamespace, mode: PlaneMode): Promise<string[]> {
  const tables = await contentsOfAll(node)
  if (mode !== 'ipvs') return tables
  const services = (await node.run('ipvsadm-save', ['-n'])).split('\n').sort()
  const addresses = (await node.ip('-brief', 'address', 'show', 'dev', 'netplane')).split(/\s+/).sort()
  return [...tables, ...services, ...addresses]
}

/** Removes all that a plane may have left, but for the device of mode `ipvs`, which a clean-up takes with it. */
async function clear(node: TestNamespace, mode: PlaneMode): Promise<void> {
  await node.nft('flush', 'ruleset')
  if (mode === 'ipvs') await node.run('ipvsadm', ['-C'])
}

/** IPVS has connections for two minutes after their end. */
const LEAVING_MS = 300_000

/** Starts a process, lets it sync for a random time, and kills it. */
async function killOne(network: ServiceNetwork, { modes, large = 0, lifeMs }: Omit<Walk, 'kills'>, random: Random): Promise<void> {
  const first = await nextMode(network, modes, random)
  const names = [first, ...modes.filter((mode) => mode !== first)].join()
  const worker = network.node.background(process.execPath, [WORKER, names, String(random.below(1_000_000)), String(large)])
  await worker.waitFor('ready', 60_000 * patience)
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
    const draining = { tcp: 'at-once', udp: 'at-once' } as const
    const plane = await openPlane({ mode, netns: node.path, auditMs: 0, ...(mode === 'ipvs' ? { draining } : {}) })
    await plane.sync(last)
    await vi.waitFor(() => expect(plane.status().leaving).toBeUndefined(), { timeout: LEAVING_MS })
    expect((await plane.plan(last)).isEmpty).toBe(true)
    expect(tally(await ask(client, 'tcp', VIP.ip, 80, 3))).toEqual({ s1: 3 })
    const left = await contentsIn(node, mode)
    await plane.close({ cleanup: true })
    return left
  }
  const afterKills = await syncedBy()
  await clear(node, mode)
  expect(afterKills).toEqual(await syncedBy())
}

/** How long a walk may take, in milliseconds. */
export const WALK_MS = (120_000 + KILLS * 3_000) * patience

/** Kills processes: those who ask meanwhile are served throughout, and what is left is as if nobody had been killed. */
export async function walk({ kills, ...steps }: Walk): Promise<void> {
  const network = await makeServingNetwork(2, { isOwn: true })
  const talkers = network.servers.map((host, index) => host.background('python3', ['-c', TALKER, `s${index + 1}`]))
  await Promise.all(talkers.map((talker) => talker.waitFor('ready')))
  const random = new Random(42)
  // Relays end with their process, and so do connections.
  const isServing = !steps.modes.includes('userspace')
  let clients: Clients | undefined
  for (let kill = 1; kill <= kills; kill++) {
    await killOne(network, kill === 1 ? { ...steps, lifeMs: 20 * steps.lifeMs } : steps, random)
    expect(await findHole(network.node)).toBeUndefined()
    if (kill === 1 && isServing) clients = await startClients(network)
  }
  if (clients !== undefined) await expectServed(clients)
  await expectFresh(network, await nextMode(network, steps.modes, random))
}
