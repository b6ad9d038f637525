import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Plane, type Service } from '../../../../src/index.js'
import { savedLines } from '../../../support/iptables.js'
import { makeNamespace } from '../../../support/namespace.js'

const COUNT = 1000

const service = (number: number, endpoints: number): Service => {
  const low = `${number >> 8}.${number & 255}`
  return {
    name: `many/service-${number}:http`,
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: `10.96.${low}`, port: 80 }],
    endpoints: Array.from({ length: endpoints }, (_, index) => ({ address: `10.${100 + index}.${low}`, port: 8080 }))
  }
}

const named = (all: readonly Service[]): Map<string, Service> => new Map(all.map((one) => [one.name, one]))

it('a thousand services are written, adopted, changed one by one and all together, and removed', { timeout: 120_000 }, async () => {
  const { path: netns, ...node } = await makeNamespace()
  const open = async (): Promise<Plane> => {
    const plane = await openPlane({ mode: 'iptables', netns, auditMs: 0, staleFlows: false, deadlineMs: 60_000 })
    onTestFinished(() => plane.close())
    return plane
  }
  const first = await open()
  const two = Array.from({ length: COUNT }, (_, number) => service(number, 2))
  // Eight rules each: one that leads there, one for other ports, two that choose, and two for either endpoint.
  expect(await first.sync(named(two))).toMatchObject({ services: { added: COUNT }, objects: { written: 8 * COUNT, deleted: 0 } })
  // Only what differs is written: the chain that chooses and the one of the endpoint; the kernel tells handles of few rules.
  expect((await first.update({ set: [service(7, 3)] })).objects).toEqual({ written: 5, deleted: 2 })
  const { objects } = await first.update({ set: [service(8, 0)] })
  expect(objects).toEqual({ written: 1, deleted: 7 })
  await first.update({ set: [service(8, 1)], delete: [service(9, 2).name] })
  await first.close()

  const kept = named([...two.filter((_, number) => ![7, 8, 9].includes(number)), service(7, 3), service(8, 1)])
  const second = await open()
  expect(await second.sync(kept)).toMatchObject({ requests: 0, objects: { written: 0, deleted: 0 } })
  await second.sync(named([service(7, 3)]))
  expect((await second.plan(named([service(7, 3)]))).isEmpty).toBe(true)
  const chains = (await savedLines({ ...node, path: netns }, 'ip')).filter((line) => /^:KUBE-(SVC|SEP)-/.test(line))
  expect(chains.length).toBe(4)
})
