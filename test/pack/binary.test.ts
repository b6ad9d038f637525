import path from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { run } from '../support/run.js'

/**
 * The oldest glibc the binary runs with; README.md promises it. A newer symbol is a breaking change.
 * Without a change of ours it can rise only when the build machine's compiler or C library does.
 */
const maxGlibc = '2.34'

const binary = path.resolve(import.meta.dirname, `../../prebuilds/linux-${process.arch}.node`)
const newest = (versions: readonly string[]): string => [...versions].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)!

describe('shipped binary', () => {
  test(`needs no symbol newer than GLIBC_${maxGlibc}`, async () => {
    const symbols = await run('objdump', ['-T', binary])
    const versions = [...symbols.matchAll(/\(?GLIBC_([0-9.]+)\)?/g)].map((match) => match[1]!)
    expect(versions.length).toBeGreaterThan(10)
    expect(newest([...versions, maxGlibc]), `it needs GLIBC_${newest(versions)}`).toBe(maxGlibc)
  })

  test('brings its own C++ library, and needs nothing that Node itself does not', async () => {
    const needed = [...(await run('objdump', ['-p', binary])).matchAll(/NEEDED\s+(\S+)/g)].map((match) => match[1]!)
    expect(needed).toContain('libc.so.6')
    expect(needed.filter((library) => !/^(libc|libm|libgcc_s|libpthread|libdl|ld-linux-.*)\.so\.\d+$/.test(library))).toEqual([])
  })

  test('shows the two entry points of a Node-API module and the places that all copies in one process share, and nothing else', async () => {
    const defined = (await run('objdump', ['-T', binary])).split('\n').filter((line) => /\s(\.text|\.data|\.bss)\s/.test(line))
    const names = defined.map((line) => line.trim().split(/\s+/).at(-1)!)
    expect(names.sort()).toEqual(['napi_register_module_v1', 'netplane_places_1', 'node_api_module_get_api_version_v1'])
  })

  test('has no debugging symbols, which would be most of its size', async () => {
    expect(await run('objdump', ['-t', binary])).toContain('no symbols')
  })
})
