import { expect, it } from 'vitest'
import { Registry } from '../../../src/plane/nftables/registry.js'
import { Random } from '../../support/random.js'
import { randomService } from '../../support/random-services.js'

it('counts the rows of every set as they are when put together, through random changes', async () => {
  const random = new Random(7)
  const registry = new Registry()
  for (let step = 0; step < 200; step++) {
    const service = randomService(random, random.below(25))
    const gone = `default/service-${random.below(25)}:http`
    const remove = new Set(registry.services.has(gone) && gone !== service.name ? [gone] : [])
    const proposal = await registry.propose([[service.name, service]], remove)
    registry.accept(proposal, registry.changesFor(proposal).shared)
    const wanted = new Map([...registry.tables().entries()].map(({ family, set, table }) => [`${family} ${set}`, table.rows]))
    const counted = new Map([...registry.rowCounts()].filter(([, rows]) => rows > 0))
    expect([...counted].sort()).toEqual([...wanted].sort())
    expect([...(await Registry.of(registry.services)).rowCounts()].filter(([, rows]) => rows > 0).sort()).toEqual([...wanted].sort())
  }
})
