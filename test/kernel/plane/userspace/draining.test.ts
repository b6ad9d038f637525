import { expect, it } from 'vitest'
import { KEEPER, TALKER } from '../../../support/kept-connections.js'
import { makeRelayNetwork, openRelayPlane, RELAYED, relayed, told } from '../../../support/relay-plane.js'
import type { Background } from '../../../support/run.js'
import { addressOf, ask, type ServiceNetwork } from '../../../support/service-network.js'

async function makeTalkingNetwork(): Promise<ServiceNetwork> {
  const network = await makeRelayNetwork(2)
  for (const [index, server] of network.servers.entries())
    await server.background('python3', ['-c', TALKER, `t${index + 1}`]).waitFor('ready')
  return network
}

/** A client that keeps a connection. */
async function keep(network: ServiceNetwork): Promise<Background> {
  const keeper = network.client.background('python3', ['-c', KEEPER, RELAYED, '1'])
  await keeper.waitFor('round 1 ')
  return keeper
}

/** What it is told after two more rounds than it has made. */
async function next(keeper: Background): Promise<string> {
  const rounds = keeper.output().trim().split('\n').length
  await keeper.waitFor(`round ${rounds + 2} `)
  return keeper
    .output()
    .split(`round ${rounds + 2} `)[1]!
    .split('\n')[0]!
}

it('lets connections of an endpoint that is taken away go on, and those of a service', async () => {
  const network = await makeTalkingNetwork()
  const plane = await openRelayPlane(network, { relays: { logsConnections: true } })
  const events = told(plane)
  await plane.sync(relayed([1], 81))
  const keeper = await keep(network)
  await plane.sync(relayed([2], 81))
  expect(await next(keeper)).toBe('t1')
  const second = await keep(network)
  expect(await next(second)).toBe('t2')
  await plane.sync(new Map())
  expect(await ask(network.client, 'tcp', RELAYED, 81, 1)).not.toContain('t2')
  expect([await next(keeper), await next(second)]).toEqual(['t1', 't2'])
  expect(plane.status().details).toMatchObject({ relays: 0, openConnections: 2 })
  await keeper.stop()
  await second.stop()
  await expect.poll(() => events).toHaveLength(2)
  expect(events).toMatchObject(
    [1, 2].map((server) => ({
      type: 'connection',
      service: 'relayed',
      client: expect.stringContaining('10.1.0.2:') as string,
      endpoint: `${addressOf.ip(server)}:81`,
      ending: 'reset by client'
    }))
  )
  expect(plane.status().details).toMatchObject({ openConnections: 0 })
})

it('ends connections of an endpoint that was taken away when their time is over', async () => {
  const network = await makeTalkingNetwork()
  const plane = await openRelayPlane(network, { drainSeconds: 1, relays: { logsConnections: true } })
  const events = told(plane)
  await plane.sync(relayed([1], 81))
  const keeper = await keep(network)
  await plane.sync(relayed([2], 81))
  expect(await next(keeper)).toBe('t1')
  await keeper.waitFor('ConnectionResetError')
  expect(events).toMatchObject([{ type: 'connection', endpoint: `${addressOf.ip(1)}:81`, ending: 'drained' }])
})

it('lets a client with affinity go to another endpoint once its own is replaced', async () => {
  const network = await makeRelayNetwork(2)
  const plane = await openRelayPlane(network)
  const affinity = { affinity: { timeoutSeconds: 600 } }
  await plane.sync(relayed([1], 80, affinity))
  expect((await ask(network.client, 'tcp', RELAYED, 80, 2)).map((answer) => answer.split(' ')[0])).toEqual(['s1', 's1'])
  await plane.sync(relayed([2], 80, affinity))
  expect((await ask(network.client, 'tcp', RELAYED, 80, 2)).map((answer) => answer.split(' ')[0])).toEqual(['s2', 's2'])
  // It keeps the one that it got last.
  await plane.sync(relayed([1, 2], 80, affinity))
  expect((await ask(network.client, 'tcp', RELAYED, 80, 10)).every((answer) => answer.startsWith('s2'))).toBe(true)
})
