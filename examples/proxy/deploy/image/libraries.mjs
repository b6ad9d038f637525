// The shared libraries that a program needs, as the loader of this machine finds them.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { ImageError } from './failure.mjs'

/** What glibc opens by itself when a name of a host is looked up, beside its own file; since glibc 2.34 it has them within. */
const RESOLVERS = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2']

/** A line of ldd: `libm.so.6 => /lib/… (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`, or `libm.so.6 => not found`. */
const LINE = /^\s*(?:(?<name>\S+) => )?(?<found>not found|\/\S+)(?: \(0x[0-9a-f]+\))?$/

/**
 * Reads what ldd prints.
 * @param {string} file the program, for messages
 * @param {string} text
 * @returns {string[]} absolute paths, the loader among them
 */
export function parseLibraries(file, text) {
  const found = text.split('\n').flatMap((line) => LINE.exec(line)?.groups ?? [])
  const missing = found.filter((entry) => entry.found === 'not found').map(({ name }) => name)
  if (missing.length > 0) throw new ImageError(`${file} needs libraries that this machine has not: ${missing.join(', ')}`)
  return found.map((entry) => entry.found)
}

function librariesOf(file) {
  try {
    // A program without a shared library makes ldd exit with 1, which no build of Node.js for Linux is.
    return parseLibraries(file, execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))
  } catch (error) {
    if (error instanceof ImageError) throw error
    if (error.code === 'ENOENT') throw new ImageError('ldd is missing, which says what libraries Node.js needs (Debian: libc-bin)')
    throw new ImageError(`ldd ${file}: ${(error.stderr ?? error.message).trim()}`)
  }
}

/**
 * All libraries that some programs need, each once.
 * @param {readonly string[]} files
 * @returns {string[]} absolute paths
 */
export function findLibraries(files) {
  const linked = new Set(files.flatMap(librariesOf))
  const libc = [...linked].find((file) => path.basename(file) === 'libc.so.6')
  const resolvers = libc === undefined ? [] : RESOLVERS.map((name) => path.join(path.dirname(libc), name)).filter(existsSync)
  return [...new Set([...linked, ...resolvers])].sort()
}
