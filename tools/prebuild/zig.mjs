// The compiler of all platforms: zig, whose clang brings the headers and C libraries of each. It is fetched from PyPI.
import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { cacheFolder, fetchIntoCache, output } from '../lab/cache.mjs'

const version = '0.17.1'
const name = `zig-${version}`

/** The program, fetched when need be. NETPLANE_ZIG names one that is to be taken instead. @returns {Promise<string>} */
export async function provideZig() {
  const own = process.env.NETPLANE_ZIG
  if (own !== undefined && own !== '') return path.resolve(own)
  const place = path.join(cacheFolder(), name)
  if (!existsSync(place)) await fetchIntoCache(name, `zig ${version}`, fetchZig)
  return path.join(place, 'ziglang', 'zig')
}

async function fetchZig(folder) {
  const ready = path.join(folder, 'root')
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--root-user-action=ignore']
  await output('python3', ['-m', 'pip', 'install', ...options, '--target', ready, `ziglang==${version}`])
  await output(path.join(ready, 'ziglang', 'zig'), ['version'])
  return ready
}

/**
 * The environment in which make compiles for a platform with it. What it has compiled once, it finds in its cache.
 * @param {string} zig
 * @param {string} triple
 */
export function compilers(zig, triple) {
  const compiler = (language) => `${zig} ${language} -target ${triple}`
  return {
    CC: compiler('cc'),
    CXX: compiler('c++'),
    LINK: compiler('c++'),
    AR: `${zig} ar`,
    // No symbols but the dynamic ones.
    LDFLAGS: '-s',
    ZIG_GLOBAL_CACHE_DIR: path.join(cacheFolder(), 'zig-cache')
  }
}
