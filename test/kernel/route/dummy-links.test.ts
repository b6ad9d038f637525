import { describe, expect, it } from 'vitest'
import { Route } from '../../../src/route/client.js'
import { makeNamespace } from '../../support/namespace.js'

/** Dummy links on a kernel that has them: the machine that the lab boots. */
describe('dummy links', () => {
  it('are made, with their module loaded by the kernel itself', async () => {
    const namespace = await makeNamespace()
    await using route = await Route.open({ netns: namespace.path })
    const link = await route.addDummy('proxy0', { up: true, mtu: 1400 })
    expect(link).toMatchObject({ name: 'proxy0', kind: 'dummy', isUp: true, mtu: 1400 })
    const [shown] = JSON.parse(await namespace.ip('-json', '-details', 'link', 'show', 'proxy0')) as {
      mtu: number
      flags: string[]
      linkinfo: { info_kind: string }
    }[]
    expect(shown).toMatchObject({ mtu: 1400, linkinfo: { info_kind: 'dummy' } })
    expect(shown!.flags).toEqual(expect.arrayContaining(['UP', 'NOARP']))
  })

  it('hold the addresses of a service plane, and take them along when they go', async () => {
    const namespace = await makeNamespace()
    await using route = await Route.open({ netns: namespace.path })
    await route.addDummy('proxy0', { up: true })
    const addresses = Array.from({ length: 2000 }, (_, index) =>
      index % 2 === 0 ? `10.96.${index >> 8}.${index & 255}/32` : `fd00:96::${index.toString(16)}/128`
    )
    const flags = ['nodad', 'noprefixroute'] as const
    expect(await route.addAddresses('proxy0', addresses, { flags })).toMatchObject({ applied: 2000, refused: [] })
    expect(await route.addAddresses('proxy0', addresses, { flags, ensure: true })).toMatchObject({ applied: 0, unchanged: 2000 })
    const listed = await route.listAddresses({ link: 'proxy0' })
    const own = listed.filter(({ scope }) => scope === 'global')
    expect(new Set(own.map(({ address, prefixLength }) => `${address}/${prefixLength}`))).toEqual(new Set(addresses))
    expect(own.filter(({ family }) => family === 'ip6').every((address) => flags.every((flag) => address.flags.includes(flag)))).toBe(true)
    await route.removeLink('proxy0')
    expect((await route.listAddresses()).map(({ linkIndex }) => linkIndex)).toEqual([1, 1])
  })

  it('are told to a monitor when they come and go', async () => {
    const namespace = await makeNamespace()
    await using route = await Route.open({ netns: namespace.path })
    await using events = await route.watch({ addresses: false })
    const { index } = await route.addDummy('proxy0')
    await route.removeLink(index)
    const seen: string[] = []
    for await (const event of events) {
      if (event.type === 'lost' || event.kind !== 'link') throw new Error('links alone should be reported, and none lost')
      seen.push(`${event.type} ${event.object.name} ${event.object.kind}`)
      if (event.type === 'delete') break
    }
    expect(seen[0]).toBe('new proxy0 dummy')
    expect(seen.at(-1)).toBe('delete proxy0 dummy')
  })
})
