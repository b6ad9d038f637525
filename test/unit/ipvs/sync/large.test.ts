import { expect, it } from 'vitest'
import type { TransactionError } from '../../../../src/index.js'
import type { DesiredService } from '../../../../src/ipvs/sync/types.js'
import { rejection } from '../../../support/rejection.js'
import { Rig } from '../../../support/ipvs-sync-rig.js'

const EINVAL = 22

/** Services with so many real servers: more than one call changes. */
function desired(...sizes: readonly number[]): DesiredService[] {
  return sizes.map((size, service) => ({
    fwmark: service + 1,
    realServers: Array.from({ length: size }, (_, at) => ({ address: `10.${service + 1}.${at >> 8}.${at & 255}`, port: 80 }))
  }))
}

/** How many real servers each service has. */
const held = (rig: Rig): [string, number][] => [...rig.kernel.services].map(([key, { servers }]) => [key, servers.size])

const refuseThird = (rig: Rig): void => {
  rig.kernel.fault = (_, text) => (text.includes('10.2.2.188:80') ? EINVAL : undefined)
}

it('adds the real servers of small services and of one that is larger than a call', async () => {
  const rig = new Rig()
  const services = desired(1500, 1500, 5000, 1)
  const { realServers, plan } = await rig.sync(services)
  expect(realServers).toEqual({ added: 8001, updated: 0, removed: 0 })
  expect(held(rig)).toEqual([
    ['fwmark 1', 1500],
    ['fwmark 2', 1500],
    ['fwmark 3', 5000],
    ['fwmark 4', 1]
  ])
  expect(plan.entries.map(({ details }) => details.length)).toEqual([1501, 1501, 5001, 2])
  expect(plan.entries[1]!.details.at(-1)).toBe('+ 10.2.5.219:80 weight 1')
  expect((await rig.plan(services)).isEmpty).toBe(true)
})

it('puts back the service of the one real server that is refused, and adds those of the others', async () => {
  const rig = new Rig()
  refuseThird(rig)
  const { realServers, failed } = await rig.sync(desired(1500, 1500, 5000), { onError: 'isolate' })
  expect(failed).toMatchObject([
    { service: { fwmark: 2 }, errors: [{ code: 'EINVAL', index: expect.any(Number) as number }], applied: [], unknown: [] }
  ])
  expect(failed[0]!.errors[0]!.message).toContain('10.2.2.188:80')
  expect(realServers).toEqual({ added: 6500, updated: 0, removed: 0 })
  expect(held(rig)).toEqual([
    ['fwmark 1', 1500],
    ['fwmark 3', 5000]
  ])
})

it('undoes all that was added before a refusal', async () => {
  const rig = new Rig()
  refuseThird(rig)
  const error = await rejection<TransactionError>(rig.sync(desired(1500, 1500, 5000)))
  expect(error.errors).toHaveLength(1)
  expect(error.undone).toHaveLength(3 + 1500 + 1499 + 5000)
  expect(error).toMatchObject({ applied: [], unknown: [] })
  expect(held(rig)).toEqual([])
})

it('adds what lies between real servers that are there', async () => {
  const rig = new Rig()
  const [whole] = desired(3000) as [DesiredService]
  const realServers = whole.realServers!.filter((_, at) => at % 3 === 1)
  await rig.sync([{ ...whole, realServers }])
  expect((await rig.sync([whole])).realServers).toEqual({ added: 2000, updated: 0, removed: 0 })
  expect(held(rig)).toEqual([['fwmark 1', 3000]])
})
