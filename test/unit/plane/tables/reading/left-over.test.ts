import { describe, expect, test } from 'vitest'
import { checkNftablesOptions } from '../../../../../src/plane/nftables/options.js'
import { classNamed, strayWords } from '../../../../../src/plane/tables/reading/left-over.js'

const { table } = checkNftablesOptions({})

describe('objects that a plane has left in its tables', () => {
  test.each([
    ['set', 'random-8'],
    ['set', 'endpoints-node-outside-hash-4-sticky-b'],
    ['set', 'node-sticky-tcp-10800'],
    ['set', 'local-sources'],
    ['set', 'all-endpoints'],
    ['set', 'endpoint-connections'],
    ['chain', 'lb-random-2'],
    ['chain', 'if-offloaded'],
    ['chain', 'learn-input'],
    ['object', 'offload']
  ])('%s %s is left over', (what, name) => {
    expect(strayWords('ip', table)(what, 'ip netplane', name)).toBe(`${what} ip netplane ${name} left over by an earlier run`)
  })

  // No class has seven slots.
  test.each([
    ['set', 'random-7'],
    ['set', 'stranger'],
    ['chain', 'random-2'],
    ['object', 'quota']
  ])('%s %s is foreign', (what, name) => {
    expect(strayWords('ip', table)(what, 'ip netplane', name)).toBe(`foreign ${what} ip netplane ${name}`)
  })

  test('names are those of classes as they are made', () => {
    expect(classNamed('node-indirect-random-16')).toMatchObject({ scope: 'node', audience: 'indirect', choice: 'random', slots: 16 })
    expect(classNamed('random-0')).toBeUndefined()
  })
})
