import { describe, expect, it } from 'vitest'
import { Nftables, type Plane, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import type { TableOwner } from '../../../../src/index.js'
import { isOlderThan } from '../../../support/kernel-version.js'
import { rejection } from '../../../support/rejection.js'
import { addressOf, ask, makeServiceNetwork, tally, type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'

const VIP = '10.96.0.1'

async function planeIn(network: ServiceNetwork, tableOwner?: TableOwner, loopbackNodePorts = false): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: network.node.path, auditMs: 0, tableOwner, loopbackNodePorts })
}

const serving = (...servers: number[]): Map<string, Service> => {
  const frontends = [{ kind: 'cluster', address: VIP, port: 80 } as const]
  const endpoints = servers.map((server) => ({ address: addressOf.ip(server), port: 8080 }))
  return new Map([['web', { name: 'web', protocol: 'tcp', frontends, endpoints }]])
}

const answers = async ({ client }: ServiceNetwork): Promise<string[]> => Object.keys(tally(await ask(client, 'tcp', VIP, 80, 20))).sort()

const tables = async ({ node: { path } }: ServiceNetwork): Promise<(readonly (string | number)[])[]> => {
  await using nft = await Nftables.open({ netns: path })
  return (await nft.listTables()).map(({ flags = [] }) => flags)
}

/** What needs a newer kernel is refused, and the refusal says which. */
async function isRefusedHere(network: ServiceNetwork, owner: TableOwner): Promise<boolean> {
  const version = owner === 'temporary' ? '5.12' : '6.9'
  if (!isOlderThan(version)) return false
  const error = await rejection((await planeIn(network, owner)).sync(serving(1)))
  expect(error).toMatchObject({ name: 'NetlinkError', hint: expect.stringMatching(/needs Linux (5\.12|6\.9)/) as string })
  expect(await tables(network)).toEqual([])
  return true
}

describe('tables that belong to their plane', () => {
  it('are read by everybody, and changed by nobody else', async () => {
    const network = await makeServingNetwork(2)
    if (await isRefusedHere(network, 'persistent')) return
    const plane = await planeIn(network, 'persistent')
    await plane.sync(serving(1))
    const listing = await network.node.nft('list', 'ruleset')
    expect(listing).toMatch(/^table ip netplane \{.*\n\tflags owner\b.*\n\tcomment "netplane services 2"/m)
    expect(listing).toContain('10.96.0.1 . tcp . 80 comment "web"')
    for (const command of ['add chain ip netplane theirs', 'flush table ip netplane', 'delete table ip netplane'])
      expect((await network.node.attempt('nft', command.split(' '))).stderr).toContain('Operation not permitted')
    await network.node.nft('flush', 'ruleset')
    expect(await answers(network)).toEqual(['s1'])
    await plane.update({ set: [...serving(2).values()] })
    expect(await answers(network)).toEqual(['s2'])
    expect(await plane.sync(serving(2))).toMatchObject({ requests: 0 })
    await plane.close({ cleanup: true })
    expect(await tables(network)).toEqual([])
  })

  it('stay when it goes, are taken over by the next one, and are kept from a second one', async () => {
    const network = await makeServingNetwork(2)
    if (await isRefusedHere(network, 'persistent')) return
    const first = await planeIn(network, 'persistent')
    await first.sync(serving(1))
    const second = await planeIn(network, 'persistent')
    expect(await rejection(second.sync(serving(1)))).toMatchObject({
      code: 'EPERM',
      hint: 'the table is owned by another socket (flag owner)'
    })
    const plain = await planeIn(network)
    expect(await rejection(plain.sync(serving(1)))).toMatchObject({
      code: 'EPERM',
      hint: 'the table is owned by another socket (flag owner)'
    })
    await first.close()
    expect(await tables(network)).toEqual([['persist'], ['persist']])
    expect(await answers(network)).toEqual(['s1'])

    // One transaction takes them over; nothing is written into them.
    expect(await second.sync(serving(1))).toMatchObject({ requests: 1, objects: { written: 0, deleted: 0 } })
    expect(await tables(network)).toEqual([
      ['owner', 'persist'],
      ['owner', 'persist']
    ])
    expect(await second.sync(serving(1))).toMatchObject({ requests: 0 })
    await second.update({ set: [...serving(1, 2).values()] })
    expect(await answers(network)).toEqual(['s1', 's2'])
  })

  it('go with it where they do not persist', async () => {
    const network = await makeServingNetwork(1)
    if (await isRefusedHere(network, 'temporary')) return
    const plane = await planeIn(network, 'temporary')
    await plane.sync(serving(1))
    expect(await tables(network)).toEqual([['owner'], ['owner']])
    expect(await answers(network)).toEqual(['s1'])
    await plane.close()
    expect(await tables(network)).toEqual([])
  })

  it('are made anew when the option changes, and no more is written than that', async () => {
    const network = await makeServiceNetwork(0)
    if (isOlderThan('6.9')) return
    let plane = await planeIn(network)
    await plane.sync(serving(1))
    const before = await network.node.nft('list', 'ruleset')
    await plane.close()
    for (const [owner, flags] of [
      ['persistent', ['owner', 'persist']],
      ['temporary', ['owner']],
      ['persistent', ['owner', 'persist']]
    ] as const) {
      plane = await planeIn(network, owner)
      await plane.sync(serving(1))
      expect(await tables(network)).toEqual([flags, flags])
      await plane.close()
    }
    plane = await planeIn(network)
    expect(String(await plane.plan(serving(1)))).toContain('table ip netplane has flags persist')
    await plane.sync(serving(1))
    expect(await network.node.nft('list', 'ruleset')).toBe(before)
  })

  it('keep what they note of the setting for loopback addresses', async () => {
    const network = await makeServiceNetwork(0)
    if (isOlderThan('6.9')) return
    const setting = (): Promise<string> => network.node.run('cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])
    const first = await planeIn(network, 'persistent', true)
    await first.sync(serving(1))
    await first.close()
    expect(await setting()).toBe('1\n')
    const second = await planeIn(network, 'persistent', true)
    await second.sync(serving(1))
    await second.close({ cleanup: true })
    expect(await setting()).toBe('0\n')
  })
})
