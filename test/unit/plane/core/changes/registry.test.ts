import { describe, expect, it } from 'vitest'
import { takeUpdate } from '../../../../../src/plane/core/changes/desired.js'
import { Registry } from '../../../../../src/plane/core/changes/registry.js'
import type { Service, ServiceUpdate } from '../../../../../src/index.js'

const at = (name: string, ...addresses: string[]): Service => ({
  name,
  protocol: 'tcp',
  frontends: addresses.map((address) => ({ kind: 'cluster', address, port: 80 })),
  endpoints: []
})

async function held(...services: Service[]): Promise<Registry> {
  const registry = new Registry()
  const { changes } = await registry.proposeAll(new Map(services.map((service) => [service.name, service])))
  await registry.accept(changes)
  return registry
}

async function propose(registry: Registry, update: ServiceUpdate): Promise<{ readonly set: string[]; readonly refused: string[] }> {
  const proposal = await registry.proposeUpdate(takeUpdate(update))
  return { set: proposal.changes.map(({ name }) => name).sort(), refused: proposal.quarantined.map(({ service }) => service).sort() }
}

const [one, two, three, four] = ['11.0.0.1', '11.0.0.2', '11.0.0.3', '11.0.0.4']

describe('a frontend stays with the service that has it', () => {
  it('whatever the order: who is refused keeps what he has, so nobody else gets it', async () => {
    const services = [at('a', one), at('b', three), at('c', two)]
    for (const set of [
      [at('b', one), at('a', two)],
      [at('a', two), at('b', one)]
    ])
      expect(await propose(await held(...services), { set })).toEqual({ set: [], refused: ['a', 'b'] })
  })

  it('unless that one lets go in the same call', async () => {
    const registry = await held(at('a', one), at('b', two))
    expect(await propose(registry, { set: [at('b', one), at('a', two)] })).toEqual({ set: ['a', 'b'], refused: [] })
    expect(await propose(registry, { set: [at('c', one)], delete: ['a'] })).toEqual({ set: ['a', 'c'], refused: [] })
    expect(await propose(registry, { set: [at('c', one, three), at('a', four)] })).toEqual({ set: ['a', 'c'], refused: [] })
  })

  it('also where it changes something else, and comes later in the call', async () => {
    const registry = await held(at('a', one), at('b', two))
    expect(await propose(registry, { set: [at('b', one), at('a', one, three)] })).toEqual({ set: ['a'], refused: ['b'] })
  })

  it('and of two new claims the first holds, also where another one is refused before', async () => {
    const registry = await held(at('a', one))
    expect(await propose(registry, { set: [at('x', one, two), at('y', two), at('z', two)] })).toEqual({ set: ['y'], refused: ['x', 'z'] })
  })

  it('after a refusal by the kernel, too', async () => {
    const registry = await held(at('a', one), at('b', three))
    const proposal = await registry.proposeUpdate(takeUpdate({ set: [at('a', two), at('b', one), at('c', four)] }))
    const { kept, refusals } = await registry.withdraw(proposal.changes, [{ service: 'a', error: new Error('refused') }])
    expect(kept.map(({ name }) => name)).toEqual(['c'])
    expect(refusals.map(({ service }) => service)).toEqual(['a', 'b'])
    expect(refusals[1]!.error).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path: 'services["b"].frontends[0]' })
  })
})
