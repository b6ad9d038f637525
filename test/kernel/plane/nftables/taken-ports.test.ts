import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Plane, type PlaneEvent, type Service } from '../../../../src/index.js'
import { NetlinkError } from '../../../../src/core/errors.js'
import { Listeners } from '../../../../src/sockets/listeners.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { rejection } from '../../../support/rejection.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally } from '../../../support/service-network.js'

const SOCKETS = `
import socket, sys, threading
kept = []
for spec in sys.argv[1:]:
    kind, address, port = spec.split(' ')
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, int(port)))
    if kind == 'tcp': s.listen()
    kept.append(s)
print('ready', flush=True); threading.Event().wait()
`

async function hold(namespace: TestNamespace, ...sockets: string[]) {
  const program = namespace.background('python3', ['-c', SOCKETS, ...sockets])
  await program.waitFor('ready')
  return program
}

it('lists sockets that wait, of both families and protocols, and no others', async () => {
  const namespace = await makeNamespace()
  await hold(namespace, 'tcp 0.0.0.0 8080', 'tcp ::1 8443', 'udp 127.0.0.1 53', 'udp :: 5353')
  const listeners = await Listeners.open({ netns: namespace.path })
  onTestFinished(() => listeners.close())
  expect(await listeners.list('tcp')).toEqual([
    { address: '0.0.0.0', port: 8080 },
    { address: '::1', port: 8443 }
  ])
  expect(await listeners.list('udp')).toEqual([
    { address: '127.0.0.1', port: 53 },
    { address: '::', port: 5353 }
  ])
  expect(await rejection(Listeners.open({ netns: '/run/netns/nothing' }))).toBeInstanceOf(NetlinkError)
})

it('tells of a local process at a port of the node, which clients pass by', async () => {
  const network = await makeServiceNetwork(1)
  await serve(network.servers[0]!, 's1', 8080)
  await reachable(network, 8080)
  await serve(network.node, 'local', 30_080)
  const plane: Plane = await openPlane({ mode: 'nftables', netns: network.node.path, staleFlows: false })
  onTestFinished(() => plane.close())
  const service: Service = {
    name: 'web',
    protocol: 'tcp',
    frontends: [{ kind: 'node', port: 30_080 }],
    endpoints: [{ address: addressOf.ip(1), port: 8080 }]
  }
  expect(tally(await ask(network.client, 'tcp', '10.1.0.1', 30_080, 2))).toEqual({ local: 2 })
  const events: PlaneEvent[] = []
  const watch = plane.watch()
  void (async () => {
    for await (const event of watch) events.push(event)
  })()
  expect(plane.status().takenPorts).toEqual([])
  // Addresses are followed from the first such port on.
  expect(plane.status()).not.toHaveProperty('nodeAddresses')
  await plane.sync(new Map([[service.name, service]]))
  expect(plane.status().nodeAddresses).toEqual(expect.arrayContaining(['10.1.0.1', '10.1.1.1', 'fd00:1:1::1']))
  const taken = { protocol: 'tcp', port: 30_080, address: '::', service: 'web' }
  expect(plane.status().takenPorts).toEqual([taken])
  await expect.poll(() => events).toEqual([{ type: 'portTaken', ...taken }])
  expect(tally(await ask(network.client, 'tcp', '10.1.0.1', 30_080, 2))).toEqual({ s1: 2 })
  expect(tally(await ask(network.node, 'tcp', '10.1.0.1', 30_080, 2))).toEqual({ s1: 2 })
})
