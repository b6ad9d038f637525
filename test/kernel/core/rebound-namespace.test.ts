import { readlinkSync, statSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import { Conntrack, type ConntrackEvents } from '../../../src/conntrack/index.js'
import { Nftables, type NftablesEvents } from '../../../src/nftables/index.js'
import { Route } from '../../../src/route/index.js'
import { TRACKING, udpFlows } from '../../support/conntrack.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'
import { run, until } from '../../support/run.js'
import { openDescriptors } from '../../support/this-process.js'

/** Deletes the namespace of the name, as far as nobody holds it, and gives the name to another one. */
async function rebind({ name }: TestNamespace): Promise<void> {
  await run('ip', ['netns', 'delete', name])
  await run('ip', ['netns', 'add', name])
}

/** Opens clients of all three subsystems, then lets `netns` stand for nothing, or for another namespace. */
async function openAll(netns: string | number) {
  const [nft, route, conntrack] = [await Nftables.open({ netns }), await Route.open({ netns }), await Conntrack.open({ netns })]
  onTestFinished(async () => {
    for (const client of [nft, route, conntrack]) await client.close()
  })
  return { nft, route, conntrack }
}

/** What is opened late by clients that were opened early is where they are. */
async function expectOnePlace({ nft, route, conntrack }: Awaited<ReturnType<typeof openAll>>): Promise<void> {
  await using changes: NftablesEvents = await nft.watch()
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'here' })
  await tx.commit()
  expect((await changes.next()).value).toMatchObject({ type: 'new', kind: 'table', object: { name: 'here' } })

  await using addresses = await route.watch({ links: false })
  await route.addAddresses('lo', [{ address: '10.99.0.1', prefixLength: 32 }])
  expect((await addresses.next()).value).toMatchObject({ type: 'new', kind: 'address', object: { address: '10.99.0.1' } })

  // Before the flows: newer kernels tell only of those that began after somebody listened.
  await using watch: ConntrackEvents = await conntrack.watch({ destroy: true })
  expect((await watch.next()).value).toMatchObject({ type: 'start' })
  await conntrack.addFlows(udpFlows(3))
  const flows = []
  for await (const flow of conntrack.iterate()) flows.push(flow)
  expect(flows).toHaveLength(3)
  expect(await conntrack.readSettings(['udpTimeoutSeconds'])).toEqual({ udpTimeoutSeconds: 17 })
  expect(await conntrack.removeWhere({ protocol: 'udp' })).toMatchObject({ removed: 3 })
  expect((await watch.next()).value).toMatchObject({ type: 'destroy', flow: { protocol: 'udp' } })

  await using beside = await Nftables.open({ netns: conntrack })
  expect((await beside.listTables()).map(({ name }) => name)).toContain('here')
}

/** A namespace that tracks connections, with a setting of its own. */
async function makeTracking(): Promise<TestNamespace> {
  const namespace = await makeNamespace()
  await namespace.nftScript(TRACKING)
  await namespace.run('sh', ['-c', 'echo 17 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout'])
  return namespace
}

it.for(['name', 'path'] as const)('clients that were opened by %s stay in their namespace when it stands for another one', async (way) => {
  const namespace = await makeTracking()
  const before = openDescriptors()
  const clients = await openAll(namespace[way])
  await rebind(namespace)
  await expectOnePlace(clients)
  // What is opened by the name is elsewhere.
  await using elsewhere = await Nftables.open({ netns: namespace[way] })
  expect(await elsewhere.listTables()).toEqual([])
  await elsewhere.close()
  for (const client of Object.values(clients)) await client.close()
  await until('no descriptor stays', () => openDescriptors() <= before)
  expect((await rejection(Nftables.open({ netns: clients.nft }))).message).toContain('EBADF')
})

it('clients that were opened by a process id stay in its namespace when the process has ended', async () => {
  const namespace = await makeTracking()
  const sleeper = namespace.background('sleep', ['60'])
  await until('it is inside', () => readlinkSync(`/proc/${sleeper.pid}/ns/net`) === `net:[${statSync(namespace.path).ino}]`)
  const clients = await openAll(sleeper.pid)
  await sleeper.stop()
  await expectOnePlace(clients)
})
