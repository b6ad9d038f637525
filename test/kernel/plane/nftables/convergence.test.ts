import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openPlane, type Plane, type PlaneEvent, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { Random } from '../../../support/random.js'
import { randomService } from '../../../support/random-services.js'
import { until } from '../../../support/run.js'
import { contents } from '../../../support/table-contents.js'

async function planeIn(namespace: TestNamespace, auditMs = 0): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: namespace.path, auditMs, localSources: ['10.1.0.0/16'] })
}

/** What a plane that knows nothing of history writes. */
async function freshContents(services: ReadonlyMap<string, Service>): Promise<string[]> {
  const namespace = await makeNamespace()
  const plane = await planeIn(namespace)
  await plane.sync(services)
  return await contents(namespace)
}

describe('after any walk of changes', () => {
  it.each([1, 2, 3, 4])('the kernel holds what a fresh plane would write (seed %i)', async (seed) => {
    const random = new Random(seed)
    const namespace = await makeNamespace()
    const plane = await planeIn(namespace)
    const services = new Map<string, Service>()
    await plane.sync(services)
    for (let step = 0; step < 25; step++) {
      const chosen = new Map<string, Service>()
      const remove: string[] = []
      for (let change = 0; change <= random.below(4); change++) {
        const service = randomService(random, random.below(20))
        if (random.chance(30)) remove.push(service.name)
        else chosen.set(service.name, service)
      }
      const set = [...chosen.values()]
      const gone = remove.filter((name) => !chosen.has(name))
      for (const name of gone) services.delete(name)
      for (const service of set) services.set(service.name, service)
      const report = random.chance(50) ? await plane.update({ set, delete: gone }) : await plane.sync(services)
      expect(report.quarantined).toEqual([])
      expect((await plane.plan(services)).isEmpty).toBe(true)
    }
    expect(await contents(namespace)).toEqual(await freshContents(services))
  })

  it('source ranges take the place of others that overlap them', async () => {
    const namespace = await makeNamespace()
    const plane = await planeIn(namespace)
    const lists = [
      { allow: ['192.0.2.0/24', '198.51.100.7'] },
      { allow: ['192.0.0.0/8'] },
      { allow: ['192.0.2.0/25'] },
      { allow: ['192.0.2.0/24', '192.0.3.0/24'], deny: ['192.0.2.0/25'] },
      { deny: ['192.0.0.0/9'] },
      { allow: ['192.0.2.0/23'], deny: ['192.0.2.128/25'] }
    ]
    for (const sourceRanges of [...lists, ...lists.toReversed()]) {
      const service: Service = {
        name: 'ranged',
        protocol: 'tcp',
        frontends: [7, 8].map((host) => ({ kind: 'loadBalancer', address: `203.0.113.${host}`, port: 80, sourceRanges })),
        endpoints: [{ address: '10.1.0.1', port: 8080 }]
      }
      const services = new Map([[service.name, service]])
      expect(await plane.sync(services)).toMatchObject({ quarantined: [] })
      expect(await contents(namespace)).toEqual(await freshContents(services))
    }
  })

  it('an update touches the elements of the changed service alone', async () => {
    const namespace = await makeNamespace()
    const plane = await planeIn(namespace)
    const services = new Map(
      Array.from({ length: 500 }, (_, number) => [
        `s${number}`,
        {
          name: `s${number}`,
          protocol: 'tcp' as const,
          frontends: [{ kind: 'cluster' as const, address: `10.96.${number >> 8}.${number & 255}`, port: 80 }],
          endpoints: [1, 2, 3].map((host) => ({ address: `10.1.0.${host}`, port: 8080 }))
        }
      ])
    )
    await plane.sync(services)
    const changed = { ...services.get('s7')!, endpoints: [1, 2, 4].map((host) => ({ address: `10.1.0.${host}`, port: 8080 })) }
    const report = await plane.update({ set: [changed] })
    expect(report.objects).toEqual({ written: 1, deleted: 1 })
    expect(report.details).toMatchObject({ mode: 'nftables', commits: 1 })
  })

  it('a second process adopts what the first left, writing nothing', async () => {
    const namespace = await makeNamespace()
    const random = new Random(9)
    const services = new Map(
      Array.from({ length: 40 }, (_, number) => randomService(random, number)).map((service) => [service.name, service])
    )
    await (await planeIn(namespace)).sync(services)
    const second = await planeIn(namespace)
    expect(String(await second.plan(services))).toBe('nothing to do')
    expect(await second.sync(services)).toMatchObject({ requests: 0, objects: { written: 0, deleted: 0 } })
    // And it goes on from there.
    const changed = randomService(random, 3)
    services.set(changed.name, changed)
    await second.update({ set: [changed] })
    expect(await contents(namespace)).toEqual(await freshContents(services))
  })
})

describe('beside other writers', () => {
  it('repairs a deleted table, foreign objects and foreign elements, and says so', async () => {
    const namespace = await makeNamespace()
    const plane = await planeIn(namespace, 20)
    const random = new Random(5)
    const services = new Map(
      Array.from({ length: 10 }, (_, number) => randomService(random, number)).map((service) => [service.name, service])
    )
    await plane.sync(services)
    const wanted = await contents(namespace)
    const seen: string[] = []
    void (async () => {
      for await (const event of plane.watch()) seen.push(event.type === 'drift' ? `drift ${event.objects.join(', ')}` : event.type)
    })()
    const vandalism = [
      ['delete table ip netplane', 'table ip netplane is missing'],
      ['add element ip netplane cluster-ips { 198.51.100.1 }', 'foreign elements'],
      ['add chain ip netplane stranger', 'foreign chain ip netplane stranger'],
      ['insert rule ip netplane services counter accept', '1 foreign rule in chain ip netplane services'],
      ['flush chain ip6 netplane nat-postrouting', 'missing rules in chain ip6 netplane nat-postrouting'],
      ['flush table ip netplane', 'missing rules in chain ip netplane nat-prerouting'],
      ['flush set ip netplane local-sources', 'changed elements of set ip netplane local-sources'],
      ['flush ruleset', 'tables netplane are missing']
    ] as const
    for (const [command, said] of vandalism) {
      seen.length = 0
      await namespace.nft(command)
      await until(`repaired after ${command}`, () => seen.includes('repaired'))
      expect(seen.find((line) => line.startsWith('drift'))).toContain(said)
      expect(await contents(namespace)).toEqual(wanted)
    }
  })

  it('writes the rules of flushed tables again, and no elements', async () => {
    const namespace = await makeNamespace()
    const plane = await planeIn(namespace, 20)
    const random = new Random(6)
    const services = new Map(
      Array.from({ length: 30 }, (_, number) => randomService(random, number)).map((service) => [service.name, service])
    )
    await plane.sync(services)
    const wanted = await contents(namespace)
    const repairs: PlaneEvent[] = []
    void (async () => {
      for await (const event of plane.watch()) if (event.type === 'repaired') repairs.push(event)
    })()
    await namespace.nftScript('flush table ip netplane\nflush table ip6 netplane')
    await until('repaired', () => repairs.length > 0)
    expect(repairs).toMatchObject([{ objects: { written: 0, deleted: 0 } }])
    expect(await contents(namespace)).toEqual(wanted)
    // The handles of the rules are known: services go, and so do their rules.
    await plane.sync(new Map())
    expect(await contents(namespace)).toEqual(await freshContents(new Map()))
  })

  it('keeps foreign tables byte for byte through 1,000 commits of another process, and loses no change of its own', async () => {
    const namespace = await makeNamespace()
    await namespace.nftScript(
      'table inet theirs { counter hits { } ; set s { type ipv4_addr; } ; chain c { type filter hook input priority 0; counter name hits accept; }; }'
    )
    const plane = await planeIn(namespace, 10)
    const script = fileURLToPath(new URL('../../../support/foreign-writer.py', import.meta.url))
    const writer = namespace.background('python3', [script, '1000'])
    const random = new Random(11)
    const services = new Map<string, Service>()
    await plane.sync(services)
    let updates = 0
    const state = { isOver: false }
    void writer.ended.then(() => (state.isOver = true))
    while (!state.isOver) {
      const service = randomService(random, random.below(30))
      services.set(service.name, service)
      await plane.update({ set: [service] })
      updates++
    }
    expect(writer.output()).toContain('done')
    expect(updates).toBeGreaterThan(20)
    await plane.sync(services)
    // The last thing the writer did was to put an element into our set: it must go.
    await until(
      'foreign elements are gone',
      async () => !(await namespace.nft('list', 'set', 'ip', 'netplane', 'cluster-ips')).includes('198.51.100.')
    )
    const theirs = await namespace.nft('list', 'table', 'inet', 'theirs')
    expect(theirs).toContain('192.0.2.')
    const fresh = await freshContents(services)
    expect((await contents(namespace)).filter((line) => !line.includes('"theirs"'))).toEqual(fresh)
  })

  it('refuses a table of its name that is not its own', async () => {
    const namespace = await makeNamespace()
    await namespace.nftScript('table ip netplane { chain c { }; }')
    const before = await namespace.nft('list', 'ruleset')
    const plane = await openPlane({ mode: 'nftables', netns: namespace.path })
    await expect(plane.sync(new Map())).rejects.toMatchObject({ code: 'ERR_NETPLANE_FOREIGN' })
    await expect(plane.close({ cleanup: true })).rejects.toMatchObject({ code: 'ERR_NETPLANE_FOREIGN' })
    expect(await namespace.nft('list', 'ruleset')).toBe(before)
  })

  it('removes its own tables alone when it cleans up', async () => {
    const namespace = await makeNamespace()
    await namespace.nftScript('table inet theirs { chain c { }; }')
    const before = await namespace.nft('list', 'ruleset')
    const plane = await planeIn(namespace)
    await plane.sync(new Map())
    await plane.close({ cleanup: true })
    expect(await namespace.nft('list', 'ruleset')).toBe(before)
  })
})
