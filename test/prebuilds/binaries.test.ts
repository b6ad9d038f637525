/**
 * What the binaries of all platforms need, and what they show.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { glibcVersionsOf, librariesOf, newest, readelf, shownBy, SHOWN } from '../support/shared-object.js'
import { binaryOf, targets } from '../../tools/prebuild/targets.mjs'

/** The oldest glibc they run with; README.md promises it. A newer symbol is a breaking change. */
const maxGlibc = '2.28'

describe.each(Object.keys(targets))('the binary for %s', (target) => {
  const file = path.resolve(import.meta.dirname, '../..', binaryOf(target))

  test('is there, for its processor', async () => {
    expect(existsSync(file)).toBe(true)
    expect(await readelf(file, '--file-header')).toMatch(target.endsWith('arm64') ? /Machine:\s+AArch64/ : /Machine:\s+Advanced Micro Devices X86-64/)
  })

  test('needs nothing that Node itself does not, and no newer C library', async () => {
    const needed = await librariesOf(file)
    const known = target.startsWith('linuxmusl') ? /^libc\.so$/ : /^(libc|libm|libpthread|libdl|ld-linux-.*)\.so\.\d+$/
    expect(needed.length).toBeGreaterThan(0)
    expect(needed.filter((library) => !known.test(library))).toEqual([])
    const versions = await glibcVersionsOf(file)
    expect(newest([...versions, maxGlibc]), `it needs GLIBC_${newest(versions)}`).toBe(maxGlibc)
    expect(versions.length > 0).toBe(!target.startsWith('linuxmusl'))
  })

  test('shows the two entry points of a Node-API module and the places that all copies in one process share, and nothing else', async () => {
    expect((await shownBy(file)).sort()).toEqual(SHOWN)
  })

  test('has no symbols for debuggers, which would be most of its size', async () => {
    expect(await readelf(file, '--section-headers')).not.toMatch(/\.symtab|\.debug_/)
  })
})
