import { describe, expect, it } from 'vitest'
import { NetlinkError, TransactionError, UnsupportedError, ValidationError } from '../../src/core/errors.js'
import { Route } from '../../src/route/client.js'
import { type RouteEvent } from '../../src/route/watch.js'
import { type AddressSpec } from '../../src/route/types.js'
import { FakeRouteKernel } from '../../src/testing/route/kernel.js'
import { hasDummyLinks } from '../support/dummy.js'
import { kernelsHere } from '../support/lab.js'
import { makeNamespace } from '../support/namespace.js'

/** The fake and the kernel must answer alike. Each `open` is a namespace of its own, with `lo` down. */
const kernels = [
  { kernel: 'the fake', hasDummies: true, open: () => new FakeRouteKernel().open() },
  { kernel: 'a fake without dummy links', hasDummies: false, open: () => new FakeRouteKernel({ dummies: false }).open() },
  {
    kernel: 'the kernel',
    hasDummies: await hasDummyLinks(),
    open: async () => {
      const namespace = await makeNamespace()
      await namespace.ip('link', 'set', 'lo', 'down')
      await namespace.ip('address', 'flush', 'dev', 'lo')
      return await Route.open({ netns: namespace.path })
    }
  }
]

describe.each(kernelsHere(kernels))('route client on $kernel', ({ open, hasDummies }) => {
  it('lists lo', async () => {
    await using route = await open()
    const [lo, ...others] = await route.listLinks()
    expect(others).toEqual([])
    expect(lo).toMatchObject({ index: 1, name: 'lo', isUp: false, mtu: 65536, hardwareType: 772, operationalState: 'down' })
    expect(lo!.flags).toEqual(['loopback'])
    expect(lo).not.toHaveProperty('kind')
    expect(await route.getLink('lo')).toEqual(lo)
    expect(await route.getLink(1)).toEqual(lo)
  })

  it('sets a link up and down, and its MTU', async () => {
    await using route = await open()
    await route.updateLink('lo', { up: true, mtu: 1280 })
    expect(await route.getLink('lo')).toMatchObject({ isUp: true, mtu: 1280 })
    const own = await route.listAddresses({ link: 'lo' })
    expect(own.map(({ address, prefixLength, scope }) => ({ address, prefixLength, scope }))).toEqual([
      { address: '127.0.0.1', prefixLength: 8, scope: 'host' },
      { address: '::1', prefixLength: 128, scope: 'host' }
    ])
    await route.updateLink(1, { up: false })
    expect(await route.getLink('lo')).toMatchObject({ isUp: false, mtu: 1280 })
  })

  it('adds, lists and removes addresses of both families', async () => {
    await using route = await open()
    await route.updateLink('lo', { up: true })
    const added = await route.addAddresses('lo', ['10.0.0.1', '10.0.0.2/32', { address: 'fd00::1', flags: ['nodad', 'noprefixroute'] }])
    expect(added).toMatchObject({ applied: 3, unchanged: 0, refused: [] })
    const listed = await route.listAddresses({ link: 'lo' })
    expect(listed.slice(1, 3)).toEqual(
      ['10.0.0.1', '10.0.0.2'].map((address) => ({
        linkIndex: 1,
        family: 'ip',
        address,
        prefixLength: 32,
        scope: 'global',
        flags: ['permanent'],
        protocol: 0,
        label: 'lo'
      }))
    )
    expect(listed.find(({ address }) => address === 'fd00::1')).toEqual({
      linkIndex: 1,
      family: 'ip6',
      address: 'fd00::1',
      prefixLength: 128,
      scope: 'global',
      flags: ['nodad', 'permanent', 'noprefixroute'],
      protocol: 0
    })
    expect(await route.listAddresses({ family: 'ip6' })).toHaveLength(2)
    expect(await route.removeAddresses(1, ['10.0.0.1', 'fd00::1'])).toMatchObject({ applied: 2 })
    expect((await route.listAddresses({ link: 1 })).map(({ address }) => address)).toEqual(['127.0.0.1', '10.0.0.2', '::1'])
  })

  it('adds what it listed, elsewhere', async () => {
    await using from = await open()
    await using to = await open()
    await from.addAddresses('lo', ['10.0.0.1', '192.0.2.1/24', 'fd00::1/64'])
    const listed = await from.listAddresses()
    await to.addAddresses('lo', listed)
    // For a moment after it was added, an IPv6 address waits for the kernel to look whether it may be used.
    const settled = (addresses: typeof listed): unknown[] =>
      addresses.map((address) => ({ ...address, flags: address.flags.filter((flag) => flag !== 'tentative') }))
    expect(settled(await to.listAddresses())).toEqual(settled(listed))
  })

  it('takes columns', async () => {
    await using route = await open()
    const address = new Uint8Array(32)
    address.set([10, 0, 0, 1])
    address.set([10, 0, 0, 2], 16)
    const columns = { rows: 2, family: Uint8Array.of(2, 2), address, prefixLength: Uint8Array.of(32, 32), scope: Uint8Array.of(0, 253) }
    const pending = route.addAddresses('lo', columns)
    address.fill(0)
    await pending
    // The kernel lists by scope, narrow ones first.
    expect((await route.listAddresses()).map(({ address, scope }) => `${address} ${scope}`).sort()).toEqual([
      '10.0.0.1 global',
      '10.0.0.2 link'
    ])
  })

  it('rejects with the refusal of the one address, and with all that became of many', async () => {
    await using route = await open()
    await route.addAddresses('lo', ['10.0.0.1'])
    const one = await route.addAddresses('lo', ['10.0.0.1/32']).catch((error: unknown) => error)
    expect(one).toBeInstanceOf(NetlinkError)
    expect(one).toMatchObject({ code: 'EEXIST', errno: -17, operation: 'route.addAddresses', subject: '10.0.0.1/32 on link lo', index: 0 })
    const many = await route.addAddresses('lo', ['10.0.0.2', '10.0.0.1', '10.0.0.2']).catch((error: unknown) => error)
    expect(many).toBeInstanceOf(TransactionError)
    expect(many).toMatchObject({ code: 'ERR_NETPLANE_TRANSACTION', applied: ['10.0.0.2/32 on link lo'], undone: [], unknown: [] })
    expect((many as TransactionError).errors.map(({ code, index }) => `${index} ${code}`)).toEqual(['1 EEXIST', '2 EEXIST'])
    expect((many as TransactionError).cause).toBe((many as TransactionError).errors[0])
  })

  it('isolates refusals in the report', async () => {
    await using route = await open()
    const report = await route.addAddresses('lo', ['10.0.0.1', '10.0.0.1', '10.0.0.2'], { onError: 'isolate' })
    expect(report).toMatchObject({ applied: 2, unchanged: 0 })
    expect(report.refused.map(({ subject, index, code }) => `${index} ${subject} ${code}`)).toEqual(['1 10.0.0.1/32 on link lo EEXIST'])
    const removed = await route.removeAddresses('lo', ['10.0.0.9', '10.0.0.1', '10.0.0.2/24'], { onError: 'isolate' })
    expect(removed.refused.map(({ subject, code }) => `${subject} ${code}`)).toEqual([
      '10.0.0.9/32 on link lo EADDRNOTAVAIL',
      '10.0.0.2/24 on link lo EADDRNOTAVAIL'
    ])
  })

  it('undoes what it added, in atomic mode', async () => {
    await using route = await open()
    await route.addAddresses('lo', ['10.0.0.5'])
    const before = await route.listAddresses()
    const error = await route
      .addAddresses('lo', ['10.0.0.1/24', '10.0.0.2/24', '10.0.0.5', 'fd00::1'], { onError: 'atomic' })
      .catch((error: unknown) => error)
    expect(error).toMatchObject({
      applied: [],
      undone: ['10.0.0.1/24 on link lo', '10.0.0.2/24 on link lo', 'fd00::1/128 on link lo'],
      unknown: []
    })
    expect((error as TransactionError).errors).toHaveLength(1)
    expect(await route.listAddresses()).toEqual(before)
  })

  it('takes what is already so for done, when told to ensure', async () => {
    await using route = await open()
    await route.addAddresses('lo', ['10.0.0.1', 'fd00::1/64'])
    expect(await route.addAddresses('lo', ['10.0.0.1', '10.0.0.2', 'fd00::1/64'], { ensure: true })).toMatchObject({
      applied: 1,
      unchanged: 2,
      refused: []
    })
    expect(await route.removeAddresses('lo', ['10.0.0.1', '10.0.0.3', 'fd00::2'], { ensure: true })).toMatchObject({
      applied: 1,
      unchanged: 2
    })
  })

  it('renews lifetimes, begins them and ends them, when told to ensure', async () => {
    await using route = await open()
    const lasting = (seconds: number, preferred = seconds): AddressSpec[] =>
      ['10.0.0.1/24', '10.0.0.2/24', 'fd00::1/64'].map((address) => ({
        address,
        validLifetimeSeconds: seconds,
        preferredLifetimeSeconds: preferred
      }))
    const lifetimes = async (): Promise<unknown[]> =>
      (await route.listAddresses()).map(({ validLifetimeSeconds: valid = 0, preferredLifetimeSeconds: preferred = 0, flags }) => [
        // Time passes.
        Math.ceil(valid / 100),
        Math.ceil(preferred / 100),
        flags.includes('permanent'),
        flags.includes('deprecated')
      ])
    await route.addAddresses('lo', lasting(1000))
    expect(await lifetimes()).toEqual(Array(3).fill([10, 10, false, false]))
    await expect(route.addAddresses('lo', lasting(5000))).rejects.toMatchObject({ code: 'ERR_NETPLANE_TRANSACTION' })
    expect(await route.addAddresses('lo', [...lasting(5000, 2000), '10.0.0.3/24'], { ensure: true })).toMatchObject({
      applied: 4,
      unchanged: 0
    })
    expect(await lifetimes()).toEqual(expect.arrayContaining(Array(3).fill([50, 20, false, false])))
    await route.removeAddresses('lo', ['10.0.0.3/24'])
    await route.addAddresses('lo', lasting(5000, 0), { ensure: true })
    expect(await lifetimes()).toEqual(Array(3).fill([50, 0, false, true]))
    const forEver = ['10.0.0.1/24', '10.0.0.2/24', 'fd00::1/64']
    expect(await route.addAddresses('lo', forEver, { ensure: true })).toMatchObject({ applied: 3, unchanged: 0 })
    expect(await lifetimes()).toEqual(Array(3).fill([0, 0, true, false]))
    expect(await route.addAddresses('lo', forEver, { ensure: true })).toMatchObject({ applied: 0, unchanged: 3 })
    // What was renewed was there before: undoing leaves it.
    const refused = route.addAddresses('lo', [...lasting(700), 'ff02::77'], { ensure: true, onError: 'atomic' })
    await expect(refused).rejects.toMatchObject({ undone: [], applied: { length: 3 } })
    expect((await route.listAddresses()).map(({ address }) => address).sort()).toEqual(['10.0.0.1', '10.0.0.2', 'fd00::1'])
  })

  it('does not take an IPv6 address with another prefix length for the wanted one', async () => {
    await using route = await open()
    await route.addAddresses('lo', ['fd00::1/64'])
    await expect(route.addAddresses('lo', ['fd00::1/128'], { ensure: true })).rejects.toMatchObject({
      code: 'EEXIST',
      field: 'prefixLength',
      subject: 'fd00::1/128 on link lo'
    })
  })

  it('removes the secondaries with their primary', async () => {
    await using route = await open()
    await route.addAddresses('lo', ['10.0.0.1/24', '10.0.0.2/24', '10.0.1.1/24'])
    expect((await route.listAddresses()).map(({ flags }) => flags.includes('secondary'))).toEqual(
      (await route.listAddresses()).map(({ address }) => address === '10.0.0.2')
    )
    await route.removeAddresses('lo', ['10.0.0.1/24'])
    expect((await route.listAddresses()).map(({ address }) => address)).toEqual(['10.0.1.1'])
  })

  it('names a link that is missing', async () => {
    await using route = await open()
    expect(await route.getLink('nope')).toBeUndefined()
    const calls = [
      () => route.listAddresses({ link: 'nope' }),
      () => route.updateLink('nope', { up: true }),
      () => route.removeLink('nope'),
      () => route.addAddresses('nope', ['10.0.0.1']),
      () => route.removeAddresses('nope', ['10.0.0.1']),
      // Nothing to do on a link that is not there is a mistake too.
      () => route.addAddresses('nope', [])
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'ENODEV', errno: -19, subject: 'link nope' })
    await expect(route.addAddresses(9999, ['10.0.0.1', '10.0.0.2'], { onError: 'isolate' })).rejects.toMatchObject({ code: 'ENODEV' })
    await expect(route.removeLink('nope', { ensure: true })).resolves.toBeUndefined()
  })

  it('does not delete lo', async () => {
    await using route = await open()
    await expect(route.removeLink('lo')).rejects.toMatchObject({ code: 'EOPNOTSUPP', subject: 'link lo' })
  })

  it('refuses what is no address before anything is sent', async () => {
    await using route = await open()
    const refused = route.addAddresses('lo', ['10.0.0.1', '10.0.0.256'])
    await expect(refused).rejects.toBeInstanceOf(ValidationError)
    await expect(refused).rejects.toMatchObject({ path: 'addresses[1]', value: '10.0.0.256' })
    expect(await route.listAddresses()).toEqual([])
  })

  it(hasDummies ? 'makes, changes and deletes dummy links' : 'says how to get dummy links', async () => {
    await using route = await open()
    if (!hasDummies) {
      const error = await route.addDummy('dummy9', { up: true }).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(UnsupportedError)
      expect(error).toMatchObject({ code: 'ERR_NETPLANE_UNSUPPORTED', missing: 'dummy links' })
      expect((error as Error).cause).toMatchObject({ code: 'EOPNOTSUPP', subject: 'link dummy9' })
      expect((error as Error).message).toContain('modprobe dummy')
      expect((error as Error).message).toContain('CONFIG_DUMMY')
      expect(await route.listLinks()).toHaveLength(1)
      return
    }
    const link = await route.addDummy('dummy9', { up: true, mtu: 1400 })
    expect(link).toMatchObject({ name: 'dummy9', kind: 'dummy', isUp: true, mtu: 1400, hardwareType: 1 })
    expect(link.flags).toEqual(expect.arrayContaining(['up', 'noarp', 'broadcast']))
    expect(await route.getLink(link.index)).toMatchObject({ name: 'dummy9' })
    await expect(route.addDummy('dummy9')).rejects.toMatchObject({ code: 'EEXIST', subject: 'link dummy9' })
    expect(await route.addDummy('dummy9', { ensure: true, up: false, mtu: 1300 })).toMatchObject({
      index: link.index,
      isUp: false,
      mtu: 1300
    })
    await expect(route.addDummy('lo', { ensure: true })).rejects.toMatchObject({ code: 'EEXIST', subject: 'link lo' })
    await route.addAddresses('dummy9', ['10.0.0.1', '10.0.0.2'])
    await route.removeLink('dummy9')
    expect(await route.listLinks()).toHaveLength(1)
    expect(await route.listAddresses()).toEqual([])
  })

  it('reports changes as they happen, and whose they are', async () => {
    await using route = await open()
    const events = await route.watch()
    await route.addAddresses('lo', ['10.0.0.1'])
    await route.removeAddresses('lo', ['10.0.0.1'])
    await route.updateLink('lo', { up: true })
    const seen: RouteEvent[] = []
    for await (const event of events) {
      seen.push(event)
      if (event.type === 'new' && event.kind === 'link') break
    }
    expect(seen[0]).toMatchObject({ type: 'new', kind: 'address', object: { address: '10.0.0.1', linkIndex: 1 }, portId: route.portId })
    expect(seen[1]).toMatchObject({ type: 'delete', kind: 'address', object: { address: '10.0.0.1' }, portId: route.portId })
    expect(seen.at(-1)).toMatchObject({ type: 'new', kind: 'link', object: { name: 'lo', isUp: true } })
  })

  it('reports only what it was asked for', async () => {
    await using route = await open()
    const events = await route.watch({ links: false })
    await route.updateLink('lo', { mtu: 1280 })
    await route.addAddresses('lo', ['10.0.0.1'])
    expect((await events.next()).value).toMatchObject({ type: 'new', kind: 'address' })
  })

  it('ends monitors when it is closed, and refuses further calls', async () => {
    const route = await open()
    const events = await route.watch()
    const next = events.next()
    const pending = route.listLinks()
    await Promise.all([route.close(), route.close()])
    expect(await pending).toHaveLength(1)
    expect(await next).toEqual({ value: undefined, done: true })
    await expect(route.listLinks()).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
    await expect(route.watch()).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
  })

  it('ends the iteration with the reason of the signal', async () => {
    await using route = await open()
    const controller = new AbortController()
    const events = await route.watch({ signal: controller.signal })
    const next = events.next()
    controller.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
  })
})
