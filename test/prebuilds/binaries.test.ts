/**
 * What the binaries of all platforms need, and what they show.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../support/run.js'
import { binaryOf, targets } from '../../tools/prebuild/targets.mjs'

/** The oldest glibc they run with; README.md promises it. A newer symbol is a breaking change. */
const maxGlibc = '2.28'

const newest = (versions: readonly string[]): string => [...versions].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)!

describe.each(Object.keys(targets))('the binary for %s', (target) => {
  const file = path.resolve(import.meta.dirname, '../..', binaryOf(target))
  const read = (...what: string[]): Promise<string> => run('readelf', ['--wide', ...what, file])

  test('is there, for its processor', async () => {
    expect(existsSync(file)).toBe(true)
    expect(await read('--file-header')).toMatch(target.endsWith('arm64') ? /Machine:\s+AArch64/ : /Machine:\s+Advanced Micro Devices X86-64/)
  })

  test('needs nothing that Node itself does not, and no newer C library', async () => {
    const needed = [...(await read('--dynamic')).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1]!)
    const known = target.startsWith('linuxmusl') ? /^libc\.so$/ : /^(libc|libm|libpthread|libdl|ld-linux-.*)\.so\.\d+$/
    expect(needed.length).toBeGreaterThan(0)
    expect(needed.filter((library) => !known.test(library))).toEqual([])
    const versions = [...(await read('--version-info')).matchAll(/GLIBC_([0-9.]+)/g)].map((match) => match[1]!)
    expect(newest([...versions, maxGlibc]), `it needs GLIBC_${newest(versions)}`).toBe(maxGlibc)
    expect(versions.length > 0).toBe(!target.startsWith('linuxmusl'))
  })

  test('shows the two entry points of a Node-API module and the places that all copies in one process share, and nothing else', async () => {
    const symbols = (await read('--dyn-syms')).split('\n').map((line) => line.trim().split(/\s+/))
    // The last two are the section, which what is not defined lacks, and the name.
    const defined = symbols.filter((fields) => fields.length >= 8 && /^\d+$/.test(fields.at(-2)!)).map((fields) => fields.at(-1)!)
    expect(defined.sort()).toEqual(['napi_register_module_v1', 'netplane_places_1', 'node_api_module_get_api_version_v1'])
  })

  test('has no symbols for debuggers, which would be most of its size', async () => {
    expect(await read('--section-headers')).not.toMatch(/\.symtab|\.debug_/)
  })
})
