import { expect, it } from 'vitest'
import { type NftablesPlaneOptions, type Plane, type PlaneEvent } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'

async function openIn(namespace: TestNamespace, options: NftablesPlaneOptions = {}): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: namespace.path, staleFlows: false, auditMs: 0, ...options })
}

const FILE = '/proc/sys/net/ipv4/ip_local_reserved_ports'
const reserved = async (namespace: TestNamespace): Promise<string> => (await namespace.run('cat', [FILE])).trim()
const reserve = async (namespace: TestNamespace, ports: string): Promise<unknown> =>
  await namespace.run('sh', ['-c', `echo '${ports}' >${FILE}`])
const nodePorts = { reserveNodePorts: [{ from: 30_000, to: 32_767 }] }

it('reserves ports beside those of others, and takes back its own alone, whoever does it', async () => {
  const namespace = await makeNamespace()
  await reserve(namespace, '8080,30500-30600')
  const first = await openIn(namespace, nodePorts)
  expect(await reserved(namespace)).toBe('8080,30500-30600')
  await first.sync(new Map())
  expect(await reserved(namespace)).toBe('8080,30000-32767')
  expect((await first.plan(new Map())).isEmpty).toBe(true)
  await first.close()

  // Another process; somebody has reserved one more meanwhile.
  await reserve(namespace, '8080,9000,30000-32767')
  const second = await openIn(namespace, nodePorts)
  expect((await second.plan(new Map())).isEmpty).toBe(true)
  await second.sync(new Map())
  expect(second.status().drifts).toBe(0)
  expect(await reserved(namespace)).toBe('8080,9000,30000-32767')
  await second.close()

  // Another range.
  const third = await openIn(namespace, { reserveNodePorts: [{ from: 31_000, to: 31_999 }] })
  await third.sync(new Map())
  expect(await reserved(namespace)).toBe('8080,9000,30500-30600,31000-31999')
  await third.close({ cleanup: true })
  expect(await reserved(namespace)).toBe('8080,9000,30500-30600')
  expect(await namespace.nft('list', 'ruleset')).toBe('')
})

it('takes back what an earlier process reserved where nothing is to be any more', async () => {
  const namespace = await makeNamespace()
  const first = await openIn(namespace, nodePorts)
  await first.sync(new Map())
  await first.close()
  const second = await openIn(namespace)
  await second.sync(new Map())
  expect(await reserved(namespace)).toBe('')
  expect(await namespace.nft('list', 'tables')).not.toContain('netplane-ports')
})

it('the kernel gives none of them to a connection', async () => {
  const namespace = await makeNamespace()
  // An even number of ports: of an odd one the kernel leaves one out by chance (inet_csk_find_open_port).
  await namespace.run('sh', ['-c', 'echo "30000 30011" >/proc/sys/net/ipv4/ip_local_port_range'])
  const plane = await openIn(namespace, { reserveNodePorts: [{ from: 30_000, to: 30_009 }] })
  await plane.sync(new Map())
  const bind = 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'
  for (let time = 0; time < 5; time++) expect((await namespace.run('python3', ['-c', bind])).trim()).toMatch(/^3001[01]$/)
})

it('a setting that cannot be written is told, and services are applied all the same', async () => {
  const namespace = await makeNamespace()
  const plane = await openIn(namespace, nodePorts)
  await namespace.nft('add', 'table', 'ip', 'netplane-ports')
  const events: PlaneEvent[] = []
  const watch = plane.watch()
  void (async () => {
    for await (const event of watch) events.push(event)
  })()
  await plane.sync(new Map())
  await expect.poll(() => events.map(({ type }) => type)).toEqual(['error'])
  expect(events[0]).toMatchObject({ error: { code: 'ERR_NETPLANE_FOREIGN' } })
  expect(await reserved(namespace)).toBe('')
})

it('ports that others have reserved are neither noted nor told of', async () => {
  const namespace = await makeNamespace()
  await reserve(namespace, '30000-32767')
  const plane = await openIn(namespace, nodePorts)
  const watch = plane.watch()
  await plane.sync(new Map())
  expect(await namespace.nft('list', 'tables')).not.toContain('netplane-ports')
  await plane.close({ cleanup: true })
  const events: PlaneEvent[] = []
  for await (const event of watch) events.push(event)
  expect(events).toEqual([])
  expect(await reserved(namespace)).toBe('30000-32767')
})
