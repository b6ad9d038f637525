import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { NetlinkError, TransactionError } from '../../../src/core/errors.js'
import { Route } from '../../../src/route/client.js'
import { type RouteEvent } from '../../../src/route/watch.js'
import { hasDummyLinks } from '../../support/dummy.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

/** What `ip -json address` says of an address. */
interface IpAddress {
  readonly family: string
  readonly local: string
  readonly prefixlen: number
  readonly scope: string
  readonly label?: string
  readonly broadcast?: string
  readonly address?: string
  readonly nodad?: boolean
  readonly noprefixroute?: boolean
  readonly tentative?: boolean
  readonly valid_life_time: number
  readonly preferred_life_time: number
}

async function addressesOf(namespace: TestNamespace, link: string): Promise<IpAddress[]> {
  const [entry] = JSON.parse(await namespace.ip('-json', 'address', 'show', 'dev', link)) as { addr_info: IpAddress[] }[]
  // An address family that the link does not have is listed as an empty object.
  return entry!.addr_info.filter(({ local }) => (local as string | undefined) !== undefined)
}

async function textOf(namespace: TestNamespace, link: string): Promise<string[]> {
  return (await addressesOf(namespace, link)).map(({ local, prefixlen }) => `${local}/${prefixlen}`)
}

/** A namespace with the two ends of a veth pair, down. */
async function makeVeth(): Promise<TestNamespace> {
  const namespace = await makeNamespace()
  await namespace.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1')
  return namespace
}

/** Whether root is the host's, and not one of a user namespace: only that one gets the buffers it asks for. */
const isHostRoot = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[2] === '4294967295'

const many = (count: number, network = 10): string[] =>
  Array.from({ length: count }, (_, index) => `${network}.0.${index >> 8}.${index & 255}/32`)

describe('addresses', () => {
  it('are read back by ip as they were added', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.name })
    await route.addAddresses('veth0', [
      '10.0.0.1',
      '10.1.0.1/24',
      { address: '10.2.0.1/24', broadcast: '10.2.0.255', label: 'veth0:web', scope: 'link' },
      { address: '10.3.0.1', peer: '10.3.0.2' },
      { address: '10.4.0.1', validLifetimeSeconds: 1000, preferredLifetimeSeconds: 500, flags: ['noprefixroute'] },
      { address: 'fd00::1/64', flags: ['nodad', 'noprefixroute'] },
      'fd00::2'
    ])
    const shown = await addressesOf(namespace, 'veth0')
    const find = (local: string): IpAddress | undefined => shown.find((address) => address.local === local)
    expect(find('10.0.0.1')).toMatchObject({ family: 'inet', prefixlen: 32, scope: 'global', label: 'veth0' })
    expect(find('10.1.0.1')).toMatchObject({ prefixlen: 24 })
    expect(find('10.2.0.1')).toMatchObject({ broadcast: '10.2.0.255', label: 'veth0:web', scope: 'link' })
    expect(find('10.3.0.1')).toMatchObject({ address: '10.3.0.2' })
    expect(find('10.4.0.1')).toMatchObject({ noprefixroute: true })
    for (const [time, min, max] of [
      [find('10.4.0.1')!.valid_life_time, 990, 1000],
      [find('10.4.0.1')!.preferred_life_time, 490, 500]
    ] as const) {
      expect(time).toBeGreaterThan(min)
      expect(time).toBeLessThanOrEqual(max)
    }
    expect(find('fd00::1')).toMatchObject({ family: 'inet6', prefixlen: 64, nodad: true, noprefixroute: true })
    expect(find('fd00::2')).toMatchObject({ prefixlen: 128 })
    expect(find('fd00::2')).not.toHaveProperty('nodad')
    expect(shown).toHaveLength(7)
    const listed = await route.listAddresses({ link: 'veth0', family: 'ip' })
    expect(listed.map(({ address }) => address).sort()).toEqual(
      shown
        .filter(({ family }) => family === 'inet')
        .map(({ local }) => local)
        .sort()
    )
    expect(listed.find(({ peer }) => peer === '10.3.0.2')).toMatchObject({ address: '10.3.0.1' })
    await route.removeAddresses('veth0', await route.listAddresses({ link: 'veth0' }))
    expect(await textOf(namespace, 'veth0')).toEqual([])
  })

  it('with nodad can be used at once', async () => {
    const namespace = await makeVeth()
    await namespace.ip('link', 'set', 'veth1', 'up')
    await using route = await Route.open({ netns: namespace.path })
    await route.updateLink('veth0', { up: true })
    await route.addAddresses('veth0', ['fd00::1'], { flags: ['nodad'] })
    await route.addAddresses('veth0', ['fd00::2'])
    const flagsOf = async (wanted: string): Promise<readonly string[]> =>
      (await route.listAddresses({ link: 'veth0' })).find(({ address }) => address === wanted)!.flags
    expect(await flagsOf('fd00::1')).not.toContain('tentative')
    expect(await flagsOf('fd00::2')).toContain('tentative')
  })

  it('of another program are listed as ip made them', async () => {
    const namespace = await makeVeth()
    await namespace.ip(
      'address',
      'add',
      '10.0.0.1/24',
      'broadcast',
      '+',
      'label',
      'veth0:a',
      'valid_lft',
      '500',
      'preferred_lft',
      '0',
      'dev',
      'veth0'
    )
    await namespace.ip('address', 'add', '10.9.0.1', 'peer', '10.9.0.2/16', 'dev', 'veth0')
    await using route = await Route.open({ netns: namespace.path })
    const [first, second] = await route.listAddresses({ link: 'veth0' })
    expect(first).toMatchObject({
      address: '10.0.0.1',
      prefixLength: 24,
      broadcast: '10.0.0.255',
      label: 'veth0:a',
      preferredLifetimeSeconds: 0
    })
    expect(first!.flags).toContain('deprecated')
    expect(first!.validLifetimeSeconds).toBeGreaterThan(400)
    expect(second).toMatchObject({ address: '10.9.0.1', prefixLength: 16, peer: '10.9.0.2' })
  })

  it('have their lifetimes renewed, as ip shows, and nothing else changed', async () => {
    const namespace = await makeVeth()
    const show = async (): Promise<string> => (await namespace.ip('-d', 'address', 'show', 'dev', 'veth0')).replaceAll('dynamic ', '')
    const lifetimes = async (): Promise<string[]> => [...(await show()).matchAll(/(valid_lft.*)/g)].map(([text]) => text)
    await namespace.ip('address', 'add', '10.0.0.1/24', 'broadcast', '10.0.0.255', 'label', 'veth0:a', 'dev', 'veth0')
    await namespace.ip('address', 'add', 'fd00::1/64', 'nodad', 'valid_lft', '50', 'preferred_lft', '40', 'dev', 'veth0')
    const before = (await show()).replace(/valid_lft.*/g, '')
    await using route = await Route.open({ netns: namespace.path })
    const lasting = [
      { address: '10.0.0.1/24', validLifetimeSeconds: 70_000, preferredLifetimeSeconds: 0 },
      { address: 'fd00::1/64', validLifetimeSeconds: 80_000, preferredLifetimeSeconds: 60_000 }
    ]
    expect(await route.addAddresses('veth0', lasting, { ensure: true })).toMatchObject({ applied: 2, unchanged: 0 })
    expect((await lifetimes()).join()).toMatch(
      /valid_lft (70000|69\d+)sec preferred_lft 0sec,valid_lft (80000|79\d+)sec preferred_lft (60000|59\d+)sec/
    )
    expect(await route.addAddresses('veth0', ['10.0.0.1/24', 'fd00::1/64'], { ensure: true })).toMatchObject({ applied: 2 })
    expect((await lifetimes()).slice(0, 2)).toEqual(Array(2).fill('valid_lft forever preferred_lft forever'))
    const after = (await show()).replace(/valid_lft.*/g, '')
    expect(after.replaceAll('nodad ', '')).toBe(before.replaceAll('nodad ', ''))
  })

  it('are listed for the one link that is asked for', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    await route.addAddresses('veth0', ['10.0.0.1', 'fd00::1'])
    await route.addAddresses('veth1', ['10.0.0.2'])
    const index = (await route.getLink('veth0'))!.index
    const listed = await route.listAddresses({ link: index })
    expect(listed.map(({ address, linkIndex }) => [address, linkIndex])).toEqual([
      ['10.0.0.1', index],
      ['fd00::1', index]
    ])
    expect((await route.listAddresses({ link: 'veth1' })).map(({ address }) => address)).toEqual(['10.0.0.2'])
    expect(await route.listAddresses({ link: 'veth1', family: 'ip6' })).toEqual([])
    await expect(route.listAddresses({ link: 4711 })).rejects.toMatchObject({ code: 'ENODEV', subject: 'link 4711' })
  })

  it('can be 20,000, in few system calls', { timeout: 240_000 }, async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path, deadlineMs: 200_000 })
    const report = await route.addAddresses('veth0', many(20_000))
    expect(report).toMatchObject({ applied: 20_000, unchanged: 0, refused: [] })
    // 64 KiB each, and the replies of each; in a user namespace, where receive buffers stay small, fewer and more often.
    expect(report.systemCalls).toBeLessThanOrEqual(isHostRoot ? 60 : 200)
    const listed = await route.listAddresses({ link: 'veth0' })
    expect(new Set(listed.map(({ address, prefixLength }) => `${address}/${prefixLength}`))).toEqual(new Set(many(20_000)))
    expect(await textOf(namespace, 'veth0')).toHaveLength(20_000)
    const again = await route.addAddresses('veth0', many(20_000), { ensure: true })
    expect(again).toMatchObject({ applied: 0, unchanged: 20_000, refused: [] })
    await route.updateLink('veth0', { up: false })
  })

  it('are refused one by one, 10,000 of them', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    // No such address family on this prefix: every one is a duplicate of a single address.
    await route.addAddresses('veth0', ['10.0.0.1'])
    const report = await route.addAddresses('veth0', Array<string>(10_000).fill('10.0.0.1'), { onError: 'isolate' })
    expect(report).toMatchObject({ applied: 0, unchanged: 0 })
    expect(report.refused).toHaveLength(10_000)
    expect(report.refused.every((error, index) => error instanceof NetlinkError && error.index === index && error.code === 'EEXIST')).toBe(
      true
    )
    expect(await textOf(namespace, 'veth0')).toEqual(['10.0.0.1/32'])
  })

  it('are accounted for one by one where some are refused', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    const list = many(5000)
    await route.addAddresses(
      'veth0',
      list.filter((_, index) => index % 3 === 0)
    )
    const error = await rejection<TransactionError>(route.addAddresses('veth0', list))
    expect(error).toBeInstanceOf(TransactionError)
    expect(error.errors.map(({ index }) => index)).toEqual(list.map((_, index) => index).filter((index) => index % 3 === 0))
    expect(error.applied).toEqual(list.filter((_, index) => index % 3 !== 0).map((address) => `${address} on link veth0`))
    expect(new Set(await textOf(namespace, 'veth0'))).toEqual(new Set(list))
  })

  it('are as they were before, when an atomic addition is refused', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    const foreign = ['10.0.0.77/32', '10.200.0.1/24', '10.200.0.2/24']
    for (const address of foreign) await namespace.ip('address', 'add', address, 'dev', 'veth0')
    const mixed = [...many(5000), '10.201.0.1/24', '10.201.0.2/24', 'fd00::1', { address: '10.202.0.1/24', peer: '10.202.9.9' }]
    const error = await rejection<TransactionError>(route.addAddresses('veth0', mixed, { onError: 'atomic' }))
    expect(error.errors.map(({ subject, code }) => `${subject} ${code}`)).toEqual(['10.0.0.77/32 on link veth0 EEXIST'])
    expect(error.undone).toHaveLength(mixed.length - 1)
    expect(error.applied).toEqual([])
    expect((await textOf(namespace, 'veth0')).sort()).toEqual(foreign.sort())
  })

  it('are exactly those that the error names, when the deadline passes in the middle', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    const list = many(60_000)
    const error = await rejection<TransactionError>(route.addAddresses('veth0', list, { deadlineMs: 150 }))
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_NETPLANE_(TRANSACTION|DEADLINE)$/) as string })
    // The client works off what it was doing before it answers again.
    await expect
      .poll(() =>
        route.listLinks().then(
          (links) => links.length,
          () => 0
        )
      )
      .toBe(3)
    const present = new Set(await textOf(namespace, 'veth0'))
    expect(present.size).toBeGreaterThan(0)
    expect(present.size).toBeLessThan(60_000)
    if (error.code === 'ERR_NETPLANE_TRANSACTION') expect(present).toEqual(new Set(error.applied.map((subject) => subject.split(' ')[0])))
  })

  it('that were applied are named when the signal aborts', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    const controller = new AbortController()
    const pending = route.addAddresses('veth0', many(12_000), { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 20)
    const error = await rejection<TransactionError>(pending)
    expect(error.cause).toBe(controller.signal.reason)
    expect(error.applied.length % 2048).toBe(0)
    expect(new Set(await textOf(namespace, 'veth0'))).toEqual(new Set(error.applied.map((subject) => subject.split(' ')[0])))
  })

  it('that the kernel does not want are refused', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    const error = await rejection<NetlinkError>(route.addAddresses('veth0', ['ff02::99/128']))
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', subject: 'ff02::99/128 on link veth0' })
    expect(await textOf(namespace, 'veth0')).toEqual([])
  })

  it('cannot be changed without CAP_NET_ADMIN', async () => {
    const namespace = await makeVeth()
    // A user namespace of its own: root there, nobody here.
    const script = `
      const addon = require('./build/Release/netplane.node')
      const columns = { rows: 2, family: Uint8Array.of(2, 2), address: new Uint8Array(32).fill(1), prefixLength: Uint8Array.of(32, 32) }
      addon.openRoute({ deadlineMs: 5000 }).then(async ({ value: socket }) => {
        const added = await socket.changeAddresses({ verb: 'add', link: 'veth0', columns, deadlineMs: 5000 })
        const set = await socket.changeLink({ verb: 'set', link: 'veth0', changeMask: 1, flags: 1, value: {}, deadlineMs: 5000 })
        const links = await socket.listLinks({ deadlineMs: 5000 })
        console.log(JSON.stringify({ errno: [...added.value.errors.errno], set: set.failure.errno, links: links.value.length }))
      })`
    const output = await namespace.run('unshare', ['--user', '--map-root-user', process.execPath, '--eval', script])
    expect(JSON.parse(output)).toEqual({ errno: [1, 1], set: 1, links: 3 })
    expect(await textOf(namespace, 'veth0')).toEqual([])
  })
})

describe('links', () => {
  it('are what ip lists', async () => {
    const namespace = await makeVeth()
    await namespace.ip('link', 'set', 'veth0', 'alias', 'to the web', 'mtu', '1400', 'up')
    await namespace.ip('link', 'property', 'add', 'dev', 'veth0', 'altname', 'a-name-longer-than-sixteen-bytes')
    // The kernel finds out a moment later that there is no carrier (linkwatch_event): flags and state change then.
    await vi.waitFor(async () => expect(await namespace.ip('link', 'show', 'veth0')).toContain('state LOWERLAYERDOWN'), 10_000)
    await using route = await Route.open({ netns: namespace.path })
    const links = await route.listLinks()
    const shown = JSON.parse(await namespace.ip('-json', '-details', 'link', 'show')) as {
      ifindex: number
      ifname: string
      mtu: number
      operstate: string
      address: string
      flags: string[]
      linkinfo?: { info_kind?: string }
    }[]
    expect(
      links.map(({ index, name, mtu, hardwareAddress, kind, operationalState }) => ({
        index,
        name,
        mtu,
        hardwareAddress,
        kind,
        operationalState
      }))
    ).toEqual(
      shown.map((link) => ({
        index: link.ifindex,
        name: link.ifname,
        mtu: link.mtu,
        hardwareAddress: link.address,
        kind: link.linkinfo?.info_kind,
        operationalState: link.operstate.toLowerCase().replaceAll('lowerlayerdown', 'lower-layer-down')
      }))
    )
    const veth = (await route.getLink('a-name-longer-than-sixteen-bytes'))!
    expect(veth).toMatchObject({
      name: 'veth0',
      alias: 'to the web',
      mtu: 1400,
      isUp: true,
      alternativeNames: ['a-name-longer-than-sixteen-bytes']
    })
    expect(veth.lowerIndex).toBe((await route.getLink('veth1'))!.index)
    expect(veth.flags.map((flag) => flag.toUpperCase().replace('-', '_')).sort()).toEqual(
      shown
        .find(({ ifname }) => ifname === 'veth0')!
        .flags.filter((flag) => flag !== 'NO-CARRIER' && flag !== 'M-DOWN')
        .sort()
    )
  })

  it('are set, and deleted', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    await route.updateLink('veth0', { up: true, mtu: 9000 })
    expect(await namespace.ip('link', 'show', 'veth0')).toMatch(/<.*\bUP\b.*> mtu 9000 /)
    const refused = await rejection<NetlinkError>(route.updateLink('veth0', { mtu: 70_000 }))
    expect(refused).toMatchObject({ code: 'EINVAL', operation: 'route.updateLink', subject: 'link veth0' })
    expect(refused.kernelMessage).toContain('mtu greater than device maximum')
    await route.removeLink('veth1')
    expect((await route.listLinks()).map(({ name }) => name)).toEqual(['lo'])
  })

  it('in a namespace that is none are an error that names it', async () => {
    await expect(Route.open({ netns: 'no-such-namespace' })).rejects.toMatchObject({
      code: 'ENOENT',
      operation: 'route.open',
      subject: 'network namespace /run/netns/no-such-namespace'
    })
    await expect(Route.open({ netns: '/dev/null' })).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(Route.open({ netns: '' })).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION' })
  })

  it('can be dummies where the kernel has them', async () => {
    const namespace = await makeNamespace()
    await using route = await Route.open({ netns: namespace.path })
    if (!(await hasDummyLinks())) {
      await expect(route.addDummy('dummy0')).rejects.toMatchObject({ code: 'ERR_NETPLANE_UNSUPPORTED', missing: 'dummy links' })
      expect(await namespace.ip('-oneline', 'link', 'show')).toMatch(/^1: lo:[^\n]*\n$/)
      return
    }
    await route.addDummy('dummy0', { up: true, mtu: 1400 })
    expect(await namespace.ip('-details', 'link', 'show', 'dummy0')).toMatch(/<.*\bUP\b.*> mtu 1400 [^]*\bdummy\b/)
    await route.removeLink('dummy0')
    expect(await namespace.ip('-oneline', 'link', 'show')).toMatch(/^1: lo:[^\n]*\n$/)
  })
})

describe('monitor', () => {
  /** Adds and removes addresses by `ip`, while this process cannot read: its event loop stands still. */
  function burst(namespace: TestNamespace, rounds: number): void {
    const lines = Array.from(
      { length: rounds },
      (_, index) =>
        `address add 10.7.${index >> 8}.${index & 255}/32 dev veth0\naddress del 10.7.${index >> 8}.${index & 255}/32 dev veth0\n`
    )
    execFileSync('ip', ['-n', namespace.name, '-batch', '-'], { input: lines.join('') })
  }

  async function readUntilLost(events: AsyncIterator<RouteEvent, undefined>): Promise<number> {
    for (let count = 0; ; count += 1) {
      const { value } = await events.next()
      if (value === undefined) throw new Error('the stream ended')
      if (value.type === 'lost') return count
    }
  }

  it('tells what others do', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    const events = await route.watch()
    await namespace.ip('address', 'add', '10.0.0.1/24', 'dev', 'veth0')
    await namespace.ip('link', 'set', 'veth0', 'mtu', '1400')
    await namespace.ip('link', 'delete', 'veth0')
    const seen: string[] = []
    for await (const event of events) {
      if (event.type === 'lost') throw new Error('nothing should be lost')
      if (event.kind === 'route') throw new Error('nobody asked for routes')
      const what =
        event.kind === 'link' ? `${event.object.name} ${event.object.mtu}` : `${event.object.address} ${event.object.prefixLength}`
      expect(event.portId).not.toBe(route.portId)
      seen.push(`${event.type} ${event.kind} ${what}`)
      if (event.type === 'delete' && event.kind === 'link') break
    }
    expect(seen).toContain('new address 10.0.0.1 24')
    expect(seen).toContain('new link veth0 1400')
    expect(seen).toContain('delete address 10.0.0.1 24')
    expect(seen.at(-1)).toMatch(/^delete link veth[01] /)
  })

  it('says twice that it was overrun twice, and goes on', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    await using events = await route.watch({ receiveBufferBytes: 16_384 })
    for (let round = 0; round < 2; round += 1) {
      burst(namespace, 500)
      // What fits the buffer comes first, then the news that there was more.
      expect(await readUntilLost(events)).toBeLessThan(1000)
    }
    await namespace.ip('address', 'add', '10.8.0.1/32', 'dev', 'veth0')
    for await (const event of events) {
      if (event.type === 'new' && event.kind === 'address' && event.object.address === '10.8.0.1') break
    }
    expect(await textOf(namespace, 'veth0')).toEqual(['10.8.0.1/32'])
  })

  it('lets events wait in the kernel while the consumer is slow, within bounds', async () => {
    const namespace = await makeVeth()
    await using route = await Route.open({ netns: namespace.path })
    await using events = await route.watch({ queueLimit: 10, receiveBufferBytes: 16_384 })
    await route.addAddresses('veth0', many(3000))
    await route.listLinks()
    expect(events.size).toBeLessThan(3000)
    expect(await readUntilLost(events)).toBeLessThan(3000)
  })
})
