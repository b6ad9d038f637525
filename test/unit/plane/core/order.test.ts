import { expect, it } from 'vitest'
import { takeServices } from '../../../../src/plane/core/changes/desired.js'
import type { Service } from '../../../../src/index.js'

const named = (name: string, priority?: unknown): [string, Service] => [name, { name, priority } as unknown as Service]

const orderOf = (...services: [string, Service][]): string[] => [...takeServices(new Map(services)).keys()]

it('puts services with a higher priority first, and leaves the others as they stand', () => {
  expect(
    orderOf(named('a'), named('b', -1), named('c', 2), named('d', 0), named('e', 7), named('f', -9), named('g', 2), named('h'))
  ).toEqual(['e', 'c', 'g', 'a', 'd', 'h', 'b', 'f'])
})

it('takes what is no finite number, or throws, for no priority', () => {
  const throws = {
    get priority(): number {
      throw new Error('no')
    }
  } as unknown as Service
  expect(orderOf(named('a', Number.NaN), named('b', '5'), ['c', throws], ['d', null as unknown as Service], named('e', 1))).toEqual([
    'e',
    'a',
    'b',
    'c',
    'd'
  ])
})

it('takes a copy, also where nothing has a priority', () => {
  for (const priority of [undefined, 1]) {
    const services = new Map([named('a'), named('b', priority)])
    const taken = takeServices(services)
    services.clear()
    expect(taken.size).toBe(2)
  }
})
