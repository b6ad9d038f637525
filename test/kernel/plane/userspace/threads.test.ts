import type * as WorkerThreads from 'node:worker_threads'
import type { Worker } from 'node:worker_threads'
import { expect, it, vi } from 'vitest'
import { KEEPER, TALKER } from '../../../support/kept-connections.js'
import { makeRelayNetwork, openRelayPlane, RELAYED, relayed, told } from '../../../support/relay-plane.js'
import type { Background } from '../../../support/run.js'
import { badRounds } from '../../../support/switching.js'

const { started } = vi.hoisted(() => ({ started: [] as Worker[] }))

vi.mock('node:worker_threads', async (original) => {
  const actual = await original<typeof WorkerThreads>()
  class Noted extends actual.Worker {
    constructor(...given: ConstructorParameters<typeof Worker>) {
      super(...given)
      started.push(this)
    }
  }
  return { ...actual, Worker: Noted }
})

const lastRound = (keeper: Background): string => keeper.output().split('\n').at(-2) ?? ''

async function goesOn(keeper: Background): Promise<void> {
  const rounds = keeper.output().split('\n').length
  await vi.waitFor(() => expect(keeper.output().split('\n').length).toBeGreaterThan(rounds + 3), { timeout: 20_000 })
}

it('threads carry connections; those of one that ends are reset and told, and the others go on', async () => {
  const network = await makeRelayNetwork(1)
  await network.servers[0]!.background('python3', ['-c', TALKER, 's1']).waitFor('ready')
  const plane = await openRelayPlane(network, { relays: { threads: 2, logsConnections: true } })
  const events = told(plane)
  await plane.sync(relayed([1], 81))
  expect(started).toHaveLength(2)
  const keep = async (count: number): Promise<Background> => {
    const keeper = network.client.background('python3', ['-c', KEEPER, RELAYED, String(count)])
    await keeper.waitFor('round 1 ', 20_000)
    return keeper
  }
  // Threads may not take connections yet.
  await (await keep(1)).stop('SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const keeper = await keep(6)
  await goesOn(keeper)
  expect(badRounds(keeper.output())).toEqual([])
  expect(lastRound(keeper)).toMatch(/ s1 s1 s1 s1 s1 s1$/)
  await started[0]!.terminate()
  await vi.waitFor(() => expect(events).toContainEqual(expect.objectContaining({ type: 'error' })))
  const [error] = events.flatMap((event) => (event.type === 'error' ? [event.error.message] : []))
  expect(error).toContain('3 connections were reset with it')
  expect(events.filter((event) => event.type === 'connection' && event.ending === 'lost')).toHaveLength(3)
  await goesOn(keeper)
  expect(lastRound(keeper)).toMatch(/ (?:BrokenPipeError|ConnectionResetError) .* s1 s1 s1$/)
  // Another thread takes its place.
  await vi.waitFor(() => expect(started).toHaveLength(3), { timeout: 5_000 })
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const others = await keep(4)
  await goesOn(others)
  expect(badRounds(others.output())).toEqual([])
  await started[2]!.terminate()
  await vi.waitFor(() => expect(events.filter((event) => event.type === 'error')).toHaveLength(2))
  await plane.close()
  expect(started).toHaveLength(3)
}, 60_000)
