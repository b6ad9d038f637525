/**
 * Which C library this process has, read from its program as the kernel does. Node's own report (`process.report`) says it, too, but among so much else that it takes eight milliseconds.
 */
import { closeSync, openSync, readSync } from 'node:fs'

/** Offsets in the header of a 64-bit file, and in an entry of its program headers (elf(5)). */
const HEADER_BYTES = 64
const PROGRAM_HEADERS_AT = 0x20
const ENTRY_BYTES_AT = 0x36
const ENTRIES_AT = 0x38
const OFFSET_AT = 0x08
const SIZE_AT = 0x20
const PT_INTERP = 3

function readAt(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  readSync(file, bytes, 0, length, offset)
  return bytes
}

/** The path of the dynamic loader that a program asks for; undefined: it asks for none. */
function interpreterOf(file: number): string | undefined {
  const header = readAt(file, 0, HEADER_BYTES)
  const entryBytes = header.readUInt16LE(ENTRY_BYTES_AT)
  const entries = readAt(file, Number(header.readBigUInt64LE(PROGRAM_HEADERS_AT)), entryBytes * header.readUInt16LE(ENTRIES_AT))
  for (let at = 0; at < entries.length; at += entryBytes) {
    if (entries.readUInt32LE(at) !== PT_INTERP) continue
    const [offset, size] = [OFFSET_AT, SIZE_AT].map((field) => Number(entries.readBigUInt64LE(at + field)))
    return readAt(file, offset!, size!).toString()
  }
  return undefined
}

/**
 * Whether a program runs with musl; default: that of this process. That musl's loader is on a machine does not say so: distributions with glibc have it in a package. What cannot be read is taken
 * for glibc.
 */
export function isMusl(program = '/proc/self/exe'): boolean {
  try {
    const file = openSync(program, 'r')
    try {
      return interpreterOf(file)?.includes('/ld-musl-') === true
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
}
