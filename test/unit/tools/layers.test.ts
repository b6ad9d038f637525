import { fileURLToPath } from 'node:url'
import { ESLint } from 'eslint'
import { describe, expect, test } from 'vitest'
import { forbidden, layerOf } from '../../../tools/layers.js'

const root = '/repository'
const reason = (importer: string, specifier: string): string | undefined => forbidden(root, `${root}/${importer}`, specifier)

describe('import rule', () => {
  test.each([
    ['src/nftables/client.ts', '../native/index.js'],
    ['src/nftables/client.ts', './transaction.js'],
    ['src/nftables/client.ts', '../core/open.js'],
    ['src/iptables/client.ts', '../nftables/client.js'],
    ['src/plane/ipvs/addresses.ts', '../../route/client.js'],
    ['src/plane/ipvs/backend.ts', '../core/run.js'],
    ['src/plane/nftables/backend.ts', '../model.js'],
    ['src/plane/flows/cleaner.ts', '../core/listener.js'],
    ['src/plane/index.ts', './ipvs/backend.js'],
    ['src/native/loader.ts', '../core/errors.js'],
    ['src/core/open.ts', '../native/index.js'],
    ['src/index.ts', './plane/index.js'],
    ['src/nftables.ts', './nftables/index.js'],
    ['src/testing.ts', './testing/route/kernel.js'],
    ['src/nftables/client.ts', 'node:net'],
    ['test/unit/core/errors.test.ts', '../../../src/core/errors.js']
  ])('%s may import %s', (importer, specifier) => {
    expect(reason(importer, specifier)).toBeUndefined()
  })

  test.each([
    ['src/nftables/client.ts', '../route/client.js'],
    ['src/nftables/client.ts', '../iptables/client.js'],
    ['src/route/client.ts', '../plane/model.js'],
    ['src/core/open.ts', '../native/loader.js'],
    ['src/native/loader.ts', '../core/job-queue.js'],
    ['src/native/loader.ts', '../nftables/client.js'],
    ['src/core/open.ts', '../nftables/client.js'],
    ['src/nftables.ts', './plane/index.js'],
    ['src/index.ts', './testing/route/kernel.js'],
    ['src/plane/ipvs/backend.ts', '../nftables/changes.js'],
    ['src/plane/nftables/backend.ts', '../ipvs/options.js'],
    ['src/plane/core/plane.ts', '../nftables/backend.js'],
    ['src/plane/core/plane.ts', '../flows/cleaner.js'],
    ['src/plane/flows/cleaner.ts', '../ipvs/backend.js'],
    ['src/plane/unheard-of/backend.ts', '../core/plane.js'],
    ['src/nftables/client.ts', '../index.js'],
    ['src/plane/model.ts', '../cli/main.js'],
    ['src/nftables/client.ts', '../testing.js'],
    ['examples/proxy/main.ts', '../../src/index.js'],
    ['src/unheard-of/file.ts', '../core/errors.js']
  ])('%s must not import %s', (importer, specifier) => {
    expect(reason(importer, specifier)).toMatch(/import|layer|part/)
  })

  test('each entry point is a layer of its own', () => {
    expect(layerOf('index.ts')).toBe('index')
    expect(layerOf('nftables.ts')).toBe('index.nftables')
    expect(layerOf('plane/ipvs/backend.ts')).toBe('plane')
  })

  test('ESLint refuses a back end that imports another one', { timeout: 60_000 }, async () => {
    const eslint = new ESLint({
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      overrideConfig: { rules: { 'netplane/layers': 'error' } }
    })
    const lint = async (specifier: string): Promise<string[]> => {
      const [result] = await eslint.lintText(`export * from '${specifier}'\n`, { filePath: 'src/plane/ipvs/backend.ts' })
      return result!.messages.filter(({ ruleId }) => ruleId === 'netplane/layers').map(({ message }) => message)
    }
    expect(await lint('../nftables/changes.js')).toEqual(["'src/plane/ipvs' must not import 'src/plane/nftables' (tools/layers.js)"])
    expect(await lint('../core/backend.js')).toEqual([])
  })
})
