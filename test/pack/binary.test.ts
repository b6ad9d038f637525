import path from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { glibcVersionsOf, librariesOf, newest, readelf, shownBy, SHOWN } from '../support/shared-object.js'

/**
 * The oldest glibc that a binary runs with which this machine's compiler built; those that are published run with older ones (test/prebuilds).
 * Without a change of ours it can rise only when the build machine's compiler or C library does.
 */
const maxGlibc = '2.34'

const binary = path.resolve(import.meta.dirname, `../../prebuilds/linux-${process.arch}.node`)

describe('shipped binary', () => {
  test(`needs no symbol newer than GLIBC_${maxGlibc}`, async () => {
    const versions = await glibcVersionsOf(binary)
    expect(versions.length).toBeGreaterThan(10)
    expect(newest([...versions, maxGlibc]), `it needs GLIBC_${newest(versions)}`).toBe(maxGlibc)
  })

  test('brings its own C++ library, and needs nothing that Node itself does not', async () => {
    const needed = await librariesOf(binary)
    expect(needed).toContain('libc.so.6')
    expect(needed.filter((library) => !/^(libc|libm|libgcc_s|libpthread|libdl|ld-linux-.*)\.so\.\d+$/.test(library))).toEqual([])
  })

  test('shows the two entry points of a Node-API module and the places that all copies in one process share, and nothing else', async () => {
    expect((await shownBy(binary)).sort()).toEqual(SHOWN)
  })

  test('has no debugging symbols, which would be most of its size', async () => {
    expect(await readelf(binary, '--section-headers')).not.toMatch(/\.symtab|\.debug_/)
  })
})
