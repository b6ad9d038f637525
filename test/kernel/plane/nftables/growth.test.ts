import { expect, it } from 'vitest'
import type { Service } from '../../../../src/index.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { unwatchedPlane } from '../../../support/plane-ways.js'
import { Random } from '../../../support/random.js'
import { addressOf, ask, tally, makeServingNetwork } from '../../../support/service-network.js'
import { withoutTurns } from '../../../support/plane-rigs.js'
import { patience } from '../../../support/lab.js'

/** Enough that a first sync declares sizes, and more than those allow. */
const FEW = 1100
const MANY = 3100

function service(number: number, slots = 2): Service {
  const low = `${number >> 8}.${number & 255}`
  return {
    name: `s${number}`,
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: `10.97.${low}`, port: 80 }],
    endpoints: Array.from({ length: slots }, (_, index) => ({ address: `10.98.${low}`, port: 8080 + index }))
  }
}

function services(count: number): Map<string, Service> {
  return new Map(Array.from({ length: count }, (_, number) => [`s${number}`, service(number)]))
}

/** The sets of the IPv4 table and their declared sizes. */
async function sizes(namespace: TestNamespace): Promise<Record<string, number | undefined>> {
  const { nftables } = JSON.parse(await namespace.run('nft', ['-t', '-j', 'list', 'table', 'ip', 'netplane'])) as {
    nftables: Record<'set' | 'map', { name: string; size?: number } | undefined>[]
  }
  return Object.fromEntries(nftables.flatMap(({ set, map }) => [set, map].flatMap((found) => (found ? [[found.name, found.size]] : []))))
}

/** All there is in our tables, but for sizes and which of its two names a map has. */
async function contents(namespace: TestNamespace): Promise<string[]> {
  const { nftables } = JSON.parse(withoutTurns(await namespace.run('nft', ['-j', 'list', 'ruleset']))) as {
    nftables: Record<string, Record<string, unknown>>[]
  }
  return nftables
    .flatMap((object) => Object.entries(object))
    .filter(([kind]) => kind !== 'metainfo')
    .map(([kind, content]) => {
      const elements = Array.isArray(content['elem']) ? content['elem'].map((element) => JSON.stringify(element)).sort() : []
      return [kind, JSON.stringify({ ...content, handle: undefined, elem: undefined, size: undefined }), ...elements].join(' ')
    })
    .sort()
}

async function expectFresh(namespace: TestNamespace, wanted: ReadonlyMap<string, Service>): Promise<void> {
  const fresh = await makeNamespace()
  await (await unwatchedPlane(fresh)).sync(wanted)
  expect(await contents(namespace)).toEqual(await contents(fresh))
}

it(
  'puts larger sets in place of full ones, in the process that made them and in one that found them',
  { timeout: 150_000 * patience },
  async () => {
    const namespace = await makeNamespace()
    const first = await unwatchedPlane(namespace)
    await first.sync(services(FEW))
    expect(await sizes(namespace)).toMatchObject({ 'cluster-ips': 3072, 'random-2': 3072, 'endpoints-random-2': 6144, refused: undefined })
    // As many as fit do not make them grow.
    expect(await first.sync(services(3072))).toMatchObject({ requests: 1 })
    const report = await first.sync(services(MANY))
    expect(report).toMatchObject({ requests: 4, objects: { written: (MANY - 3072) * 4, deleted: 0 } })
    expect(await sizes(namespace)).toMatchObject({ 'cluster-ips': 6144, 'random-2': 6144, 'endpoints-random-2-b': 12_288 })
    expect(Object.keys(await sizes(namespace))).not.toContain('endpoints-random-2')
    await expectFresh(namespace, services(MANY))
    await first.close()

    const second = await unwatchedPlane(namespace)
    expect(String(await second.plan(services(MANY)))).toBe('nothing to do')
    expect(await second.sync(services(MANY))).toMatchObject({ requests: 0, services: { added: 0, changed: 0, removed: 0 } })
    await second.update({ set: Array.from({ length: MANY }, (_, index) => service(MANY + index)) })
    expect(await sizes(namespace)).toMatchObject({ 'cluster-ips': 12_288, 'random-2': 12_288, 'endpoints-random-2': 24_576 })
    await expectFresh(namespace, services(2 * MANY))
    await second.close()

    // And one that grows them as it adopts.
    const third = await unwatchedPlane(namespace)
    const more = services(4 * MANY)
    expect(await third.sync(more)).toMatchObject({ services: { added: 2 * MANY, changed: 0, removed: 0 } })
    expect((await third.plan(more)).isEmpty).toBe(true)
    await expectFresh(namespace, more)
  }
)

it('deletes a map that a process left when it was killed between two commits', async () => {
  const namespace = await makeNamespace()
  await (await unwatchedPlane(namespace)).sync(services(3))
  await namespace.nftScript(
    'table ip netplane { map endpoints-random-2-b { type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; size 7; elements = { 10.97.0.0 . tcp . 80 . 1 : 10.98.0.0 . 1 }; }; }'
  )
  const plane = await unwatchedPlane(namespace)
  expect(await plane.sync(services(3))).toMatchObject({ requests: 1, objects: { written: 0, deleted: 0 } })
  expect(Object.keys(await sizes(namespace))).not.toContain('endpoints-random-2-b')
  await expectFresh(namespace, services(3))
})

it('makes room where another process filled a set', async () => {
  const namespace = await makeNamespace()
  const plane = await unwatchedPlane(namespace)
  await plane.sync(services(FEW))
  const foreign = Array.from({ length: 1900 }, (_, number) => `192.0.${number >> 8}.${number & 255}`)
  await namespace.nftScript(`add element ip netplane cluster-ips { ${foreign.join(', ')} }`)
  const report = await plane.update({ set: [service(FEW)] })
  expect(report.quarantined).toEqual([])
  await namespace.nftScript(`add element ip netplane cluster-ips { ${foreign.join(', ')} }`)
  await plane.close()
  const second = await unwatchedPlane(namespace)
  await second.sync(services(2 * FEW))
  await expectFresh(namespace, services(2 * FEW))
})

it('holds what a fresh plane would write, after any walk of sizes', async () => {
  const namespace = await makeNamespace()
  const random = new Random(3)
  let plane = await unwatchedPlane(namespace)
  let wanted = services(FEW)
  for (let step = 0; step < 12; step++) {
    await plane.sync(wanted)
    expect((await plane.plan(wanted)).isEmpty).toBe(true)
    const count = random.below(5000)
    const shared = 1 + random.below(3)
    wanted = new Map(
      Array.from({ length: count }, (_, number) => [`s${number}`, service(number, random.chance(90) ? shared : random.below(6))])
    )
    if (random.chance(30)) {
      await plane.close()
      plane = await unwatchedPlane(namespace)
    }
  }
  await plane.sync(wanted)
  await expectFresh(namespace, wanted)
})

it('loses no connection while sets grow, and keeps those that there are', { timeout: 60_000 * patience }, async () => {
  const network = await makeServingNetwork(2)
  const plane = await unwatchedPlane(network.node)
  const web: Service = {
    name: 'web',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
    endpoints: [1, 2].map((server) => ({ address: addressOf.ip(server), port: 8080 }))
  }
  await plane.sync(new Map([...services(FEW), ['web', web]]))
  const echo = 'import socket; s = socket.create_server(("", 9)); print("ready", flush=True); c, _ = s.accept(); c.sendall(c.recv(1))'
  const [host] = network.servers
  await host!.background('python3', ['-c', echo]).waitFor('ready')
  await plane.update({
    set: [
      {
        ...web,
        name: 'held',
        frontends: [{ kind: 'cluster', address: '10.96.0.2', port: 9 }],
        endpoints: [{ address: addressOf.ip(1), port: 9 }]
      }
    ]
  })
  const hold =
    'import socket, sys; s = socket.create_connection(("10.96.0.2", 9)); print("held", flush=True); sys.stdin.read(1); s.sendall(b"x"); print(s.recv(1).decode())'
  const held = network.client.background('python3', ['-c', `import time; ${hold.replace('sys.stdin.read(1)', 'time.sleep(4)')}`])
  await held.waitFor('held')
  const state = { isOver: false }
  const asking = (async () => {
    const answers: string[] = []
    while (!state.isOver) answers.push(...(await ask(network.client, 'tcp', '10.96.0.1', 80, 200)))
    return answers
  })()
  let count = FEW
  for (let round = 0; round < 3; round++) {
    await plane.update({ set: Array.from({ length: count * 2 }, (_, index) => service(count + index)) })
    count *= 3
  }
  state.isOver = true
  expect(Object.keys(tally(await asking)).sort()).toEqual(['s1', 's2'])
  expect((await sizes(network.node))['endpoints-random-2-b']).toBeGreaterThan(2 * count)
  await held.ended
  expect(held.output()).toContain('x')
  const listed = await network.node.nft('-s', 'list', 'ruleset')
  expect(listed).not.toMatch(/@nh|@th|unknown/)
})
