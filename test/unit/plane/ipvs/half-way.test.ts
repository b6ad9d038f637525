import { expect, it } from 'vitest'
import { EINVAL, ENOMEM } from '../../../../src/core/errno.js'
import type { Service, Services } from '../../../../src/index.js'
import { faulty, type Fault } from '../../../support/faulty-kernel.js'
import { dump, fakeRig, freshDump, type RigKernel } from '../../../support/plane-rigs.js'

const service = (name: string, host: number): Service => ({
  name,
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: `10.96.0.${host}`, port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }]
})

const mapOf = (...all: Service[]): Services => new Map(all.map((one) => [one.name, one]))

const refusal: Fault = { type: 'refuse', errno: ENOMEM }

/** A kernel whose commits end as they are told to, one after the other. */
function rigWith(commits: Fault[]) {
  const own: { kernel?: RigKernel } = {}
  const rig = fakeRig('ipvs', (kernel) => {
    own.kernel = kernel
    return faulty(kernel, (operation) => (operation === 'commit' ? commits.shift() : undefined))
  })
  return { rig, kernel: () => own.kernel! }
}

it('a service whose virtual services went before its tables could follow is there again after the next call', async () => {
  const commits: Fault[] = []
  const { rig } = rigWith(commits)
  await using plane = await rig.open()
  await plane.sync(mapOf(service('web', 10)))
  commits.push(refusal)
  await expect(plane.update({ delete: ['web'] })).rejects.toMatchObject({ code: 'ENOMEM' })
  await plane.update({ set: [service('more', 11)] })
  expect(await dump(rig)).toEqual(await freshDump(fakeRig('ipvs'), mapOf(service('web', 10), service('more', 11))))
})

it('virtual services of a service that was refused are known as ours at every moment, even if somebody removed the device', async () => {
  const commits: Fault[] = []
  const { rig, kernel } = rigWith(commits)
  const plane = await rig.open()
  await plane.sync(mapOf(service('web', 10)))
  kernel().ipvs.fault = ({ verb, text }) => (verb === 'add' && text.includes('10.96.0.11') ? EINVAL : undefined)
  // What the service is to have, and what it has no more; then nothing is taken.
  commits.push(undefined, undefined, undefined, refusal, refusal, refusal)
  await plane.update({ set: [service('web', 11)] }).catch(() => undefined)
  await using route = await kernel().route.open()
  await route.removeLink('netplane')
  await plane.close()

  commits.length = 0
  await using next = await rig.open()
  await next.sync(new Map())
  expect((await dump(rig)).filter((line) => line.startsWith('virtual service'))).toEqual([])
})

it('virtual services of a service that was refused, and that could not be taken back, go with the next call', async () => {
  const own: { kernel?: RigKernel } = {}
  let changes = -Infinity
  const rig = fakeRig('ipvs', (kernel) => {
    own.kernel = kernel
    // The virtual services, the real servers, and what takes them back.
    return faulty(kernel, (operation) => (operation === 'change' && ++changes === 3 ? refusal : undefined))
  })
  await using plane = await rig.open()
  await plane.sync(mapOf(service('web', 10)))
  own.kernel!.ipvs.fault = ({ verb, text }) => (verb === 'add' && text.includes('10.96.0.12') ? EINVAL : undefined)
  changes = 0
  const frontends = [11, 12].map((host) => ({ kind: 'cluster' as const, address: `10.96.0.${host}`, port: 80 }))
  await expect(plane.update({ set: [{ ...service('two', 11), frontends }] })).rejects.toMatchObject({ code: 'ENOMEM' })
  expect((await dump(rig)).filter((line) => line.includes('tcp 10.96.0.11:80'))).not.toEqual([])
  await plane.update({ set: [service('more', 13)] })
  expect(await dump(rig)).toEqual(await freshDump(fakeRig('ipvs'), mapOf(service('web', 10), service('more', 13))))
})

it('a cancelled call sends no further virtual services', async () => {
  const cancelling = new AbortController()
  let changes = 0
  const rig = fakeRig('ipvs', (kernel) =>
    faulty(kernel, (operation) => {
      if (operation === 'change' && ++changes === 1) cancelling.abort(new Error('enough'))
      return undefined
    })
  )
  await using plane = await rig.open()
  // More than one call of IPVS takes.
  const many = Array.from({ length: 5000 }, (_, index) => ({
    ...service(`s${index}`, 0),
    frontends: [{ kind: 'cluster' as const, address: `10.96.${index >> 8}.${index & 255}`, port: 80 }]
  }))
  await expect(plane.sync(mapOf(...many), { signal: cancelling.signal })).rejects.toThrow('enough')
  // The first ones, and what takes them back.
  expect(changes).toBe(2)
})
