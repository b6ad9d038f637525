import { expect, it } from 'vitest'
import { Slices } from '../../../../../src/core/slices.js'
import { Marks } from '../../../../../src/plane/ipvs/marks.js'
import type { Service } from '../../../../../src/plane/model.js'
import { estimate, type Estimate } from '../../../../../src/plane/tables/elements/estimate.js'
import { schedulersWith, type CompileOptions } from '../../../../../src/plane/tables/elements/frontends.js'
import { shapeOf } from '../../../../../src/plane/tables/elements/shapes.js'
import { Random } from '../../../../support/random.js'
import { randomService } from '../../../../support/random-services.js'

const balancing: CompileOptions = { schedulerOf: schedulersWith(), dropInvalid: true, marks: undefined, relays: undefined }
const relaying: CompileOptions = { ...balancing, dropInvalid: false, relays: { portOf: () => 40_000 } }

const marking: CompileOptions = { ...balancing, dropInvalid: false, marks: new Marks() }

const numbers = (rows: Estimate['rows']): [string, number][] =>
  [...rows].map(([set, count]): [string, number] => [`${set.family} ${set.name}`, count]).sort()

async function together(services: Iterable<Service>, options: CompileOptions): Promise<[string, number][][]> {
  const { rows, marks } = await estimate(services, options, new Slices())
  return [numbers(rows), numbers(marks)]
}

/** The numbers of both parts, each with its part. */
async function flat(services: Iterable<Service>, options: CompileOptions): Promise<[string, number][]> {
  const all = await together(services, options)
  return all.flatMap((rows, part) => rows.map(([set, count]): [string, number] => [`${part} ${set}`, count])).sort()
}

async function oneByOne(services: Iterable<Service>, options: CompileOptions): Promise<[string, number][]> {
  const sum = new Map<string, number>()
  for (const service of services) for (const [set, count] of await flat([service], options)) sum.set(set, (sum.get(set) ?? 0) + count)
  return [...sum].sort()
}

it.each([balancing, relaying, marking])('counts services that are alike as it counts each of them', async (options) => {
  const random = new Random(3)
  // Few endpoints have something of their own, so that many services are alike.
  const services = Array.from({ length: 2000 }, (_, number) => {
    const service = randomService(random, number)
    return random.chance(60) ? { ...service, endpoints: service.endpoints.map(({ address, port }) => ({ address, port })) } : service
  })
  const shapes = services.map(shapeOf)
  expect(shapes.filter((shape) => shape !== undefined).length).toBeGreaterThan(500)
  expect(new Set(shapes).size).toBeLessThan(1000)
  expect(await flat(services, options)).toEqual(await oneByOne(services, options))
})

it.each([0, 1])('counts services apart of which one is carried by another plane: it is at place %i', async (carried) => {
  const services = [0, 1].map((place): Service => ({
    ...{ name: `web-${place}`, protocol: 'tcp', endpoints: [{ address: '10.1.0.1', port: 8080 }] },
    frontends: [{ kind: 'cluster', address: `10.96.0.${place + 1}`, port: 80, carrier: place === carried ? 'relays' : undefined }]
  }))
  expect(await flat(services, balancing)).toEqual(await oneByOne(services, balancing))
})

it('passes over what cannot be counted', async () => {
  const broken = [null, {}, { frontends: 1, endpoints: [] }, { frontends: [null], endpoints: [{ address: 1 }] }]
  const throwing = Object.defineProperty({}, 'frontends', {
    get: () => {
      throw new Error('no')
    }
  })
  expect(await together([...broken, throwing] as unknown as Service[], balancing)).toEqual([[], []])
})
