import { describe, expect, test } from 'vitest'
import { forbidden, layerOf } from '../../../tools/layers.js'

const root = '/repository'
const reason = (importer: string, specifier: string): string | undefined => forbidden(root, `${root}/${importer}`, specifier)

describe('import rule', () => {
  test.each([
    ['src/nftables/client.ts', '../native.js'],
    ['src/nftables/client.ts', './rule-builder.js'],
    ['src/nftables/client.ts', '../job-queue.js'],
    ['src/iptables/client.ts', '../nftables/client.js'],
    ['src/plane/ipvs/plan.ts', '../../route/client.js'],
    ['src/native.ts', './errors.js'],
    ['src/address.ts', './errors.js'],
    ['src/index.ts', './plane/sync.js'],
    ['src/nftables/client.ts', 'node:net'],
    ['test/unit/errors.test.ts', '../../src/errors.js']
  ])('%s may import %s', (importer, specifier) => {
    expect(reason(importer, specifier)).toBeUndefined()
  })

  test.each([
    ['src/nftables/client.ts', '../route/client.js'],
    ['src/nftables/client.ts', '../iptables/client.js'],
    ['src/route/client.ts', '../plane/model.js'],
    ['src/errors.ts', './native.js'],
    ['src/address.ts', './native.js'],
    ['src/native.ts', './nftables/client.js'],
    ['src/job-queue.ts', './nftables/client.js'],
    ['src/nftables/client.ts', '../index.js'],
    ['src/plane/model.ts', '../cli/main.js'],
    ['src/nftables/client.ts', '../testing.js'],
    ['examples/proxy/main.ts', '../../src/index.js'],
    ['src/unheard-of/file.ts', '../errors.js']
  ])('%s must not import %s', (importer, specifier) => {
    expect(reason(importer, specifier)).toMatch(/import|layer/)
  })

  test('a single file at the top is shared unless it is named', () => {
    expect(layerOf('errors.ts')).toBe('errors')
    expect(layerOf('diagnostics.ts')).toBe('shared')
    expect(layerOf('plane/ipvs/plan.ts')).toBe('plane')
  })
})
