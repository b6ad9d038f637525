import { describe, expect, it } from 'vitest'
import type { DesiredService } from '../../../../src/ipvs/sync/types.js'
import { Random } from '../../../support/random.js'
import { Rig, randomDesired } from '../../../support/ipvs-sync-rig.js'

/** What the kernel should hold, found out the slow way: by writing everything into an empty one. */
async function oracle(desired: readonly DesiredService[]): Promise<string> {
  const rig = new Rig()
  await rig.sync(desired)
  return rig.kernel.dump()
}

const atOnce = { tcp: 'at-once', udp: 'at-once', fwmark: 'at-once' } as const

describe('random walks', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))('end at what is desired, at every step (seed %i)', async (seed) => {
    const random = new Random(seed)
    const rig = new Rig()
    for (let step = 0; step < 25; step++) {
      const desired = randomDesired(random)
      if (random.chance(20)) rig.restart()
      const from = random.chance(30) ? 'memory' : 'kernel'
      await rig.sync(desired, { draining: atOnce, owns: () => true, from })
      expect(rig.kernel.dump()).toBe(await oracle(desired))
      const { log } = rig.kernel
      const applied = log.length
      const again = await rig.sync(desired, { draining: atOnce, owns: () => true })
      expect(String(again.plan)).toBe('nothing to do')
      expect(log.length).toBe(applied)
    }
  })

  it.each(Array.from({ length: 8 }, (_, seed) => seed))('never touch a foreign service (seed %i)', async (seed) => {
    const random = new Random(1000 + seed)
    const rig = new Rig()
    const foreign = randomDesired(random)
    await rig.sync(foreign.map((service) => (service.fwmark === undefined ? { ...service, port: 81 } : { ...service, fwmark: 99 })))
    const before = rig.kernel.dump().split('\n')
    rig.restart()
    rig.kernel.log.length = 0
    const owns = ({ port, fwmark }: { readonly port?: number | undefined; readonly fwmark?: number | undefined }): boolean =>
      port === 80 || fwmark === 7
    for (let step = 0; step < 15; step++) await rig.sync(randomDesired(random), { owns, draining: atOnce })
    await rig.sync([], { owns })
    expect(rig.kernel.dump().split('\n')).toEqual(before)
    expect(rig.kernel.log.filter((line) => line.includes(':81') || line.includes('fwmark 99'))).toEqual([])
  })

  it.each(Array.from({ length: 8 }, (_, seed) => seed))('add and change before they remove anything (seed %i)', async (seed) => {
    const random = new Random(2000 + seed)
    const rig = new Rig()
    for (let step = 0; step < 15; step++) {
      rig.kernel.log.length = 0
      await rig.sync(randomDesired(random), { owns: () => true, draining: atOnce })
      const phases = ['update service', 'add service', 'add real server', 'update real server', 'remove real server', 'remove service']
      const order = rig.kernel.log.map((line) => phases.findIndex((phase) => line.startsWith(phase)))
      expect(order).toEqual(order.toSorted((left, right) => left - right))
    }
  })
})
