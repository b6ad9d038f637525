import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isMusl } from '../../../src/native/libc.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'netplane-libc-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A program with the given program headers, each a type and what it leads to. */
function program(name: string, headers: readonly (readonly [number, string])[]): string {
  const [header, entries] = [Buffer.alloc(64), Buffer.alloc(56 * headers.length)]
  header.write('\x7fELF', 'latin1')
  header.writeBigUInt64LE(64n, 0x20)
  header.writeUInt16LE(56, 0x36)
  header.writeUInt16LE(headers.length, 0x38)
  let offset = 64 + entries.length
  const texts = headers.map(([type, text], index) => {
    const bytes = Buffer.from(`${text}\0`)
    entries.writeUInt32LE(type, 56 * index)
    entries.writeBigUInt64LE(BigInt(offset), 56 * index + 8)
    entries.writeBigUInt64LE(BigInt(bytes.length), 56 * index + 32)
    offset += bytes.length
    return bytes
  })
  const file = path.join(folder, name)
  writeFileSync(file, Buffer.concat([header, entries, ...texts]))
  return file
}

test('musl is told by the loader that a program asks for', () => {
  expect(
    isMusl(
      program('musl', [
        [1, 'code'],
        [3, '/lib/ld-musl-x86_64.so.1']
      ])
    )
  ).toBe(true)
})

test.each([
  ['glibc', [[3, '/lib64/ld-linux-x86-64.so.2']]],
  ['a name that is no loader', [[1, '/lib/ld-musl-x86_64.so.1']]],
  ['no loader', []]
] as const)('%s is not musl', (name, headers) => {
  expect(isMusl(program(name, headers))).toBe(false)
})

test('what cannot be read is not musl', () => {
  writeFileSync(path.join(folder, 'short'), '\x7fELF')
  expect(isMusl(path.join(folder, 'short'))).toBe(false)
  expect(isMusl(path.join(folder, 'absent'))).toBe(false)
})

test('this process is told apart as Node tells it', () => {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  expect(isMusl()).toBe(header.glibcVersionRuntime === undefined)
})
