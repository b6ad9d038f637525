import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { output } from './process.js'

/** The compiled C programs of bench/floor and bench/traffic. */
export interface Programs {
  readonly replay: string
  readonly timed: string
  readonly connections: string
  readonly requests: string
  /** For LD_PRELOAD. */
  readonly record: string
  /** A Node add-on. */
  readonly threadClock: string
}

const warnings = ['-O2', '-Wall', '-Wextra', '-Wconversion', '-Werror']
const shared = ['-shared', '-fPIC']

/** Compiles with `cc` what is missing or older than its source or a header beside it. */
export async function buildPrograms(root: string, cache: string): Promise<Programs> {
  const folder = path.join(cache, 'floor')
  mkdirSync(folder, { recursive: true })
  const build = async (name: string, result: string, flags: readonly string[] = [], place = 'floor'): Promise<string> => {
    const sources = path.join(root, 'bench', place)
    const source = path.join(sources, `${name}.c`)
    const target = path.join(folder, result)
    const headers = readdirSync(sources).filter((file) => file.endsWith('.h'))
    const newest = Math.max(...[source, ...headers.map((file) => path.join(sources, file))].map((file) => statSync(file).mtimeMs))
    if (existsSync(target) && statSync(target).mtimeMs > newest) return target
    await output('cc', [...warnings, ...flags, '-o', `${target}.new`, source])
    renameSync(`${target}.new`, target)
    return target
  }
  const headers = path.join(root, 'node_modules', 'node-api-headers', 'include')
  return {
    replay: await build('replay', 'replay'),
    timed: await build('timed', 'timed'),
    connections: await build('connections', 'connections', [], 'traffic'),
    requests: await build('requests', 'requests', [], 'traffic'),
    record: await build('record', 'record.so', [...shared, '-pthread']),
    threadClock: await build('thread-clock', 'thread-clock.node', [...shared, '-I', headers])
  }
}
