import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

/**
 * The inputs that a fuzzer has left as findings (`crash-…`, `timeout-…`, `oom-…`, `leak-…`), as hex, to be kept as files of the corpus: `xxd -r -p` makes one of it.
 * @param {string} folder where the fuzzer puts them
 * @param {string} prefix of their names
 * @param {number} sinceMs time in milliseconds; older ones are of an earlier run
 * @returns {string[]} a line each; long inputs are cut after 4096 bytes, and say so
 */
export function describeFindings(folder, prefix, sinceMs) {
  const most = 4096
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && /^(crash|timeout|oom|leak|slow-unit)-/.test(name.slice(prefix.length)))
    .filter((name) => statSync(path.join(folder, name)).mtimeMs >= sinceMs)
    .sort()
    .map((name) => {
      const bytes = readFileSync(path.join(folder, name))
      const rest = bytes.length > most ? ` (the first ${most} of ${bytes.length} bytes)` : ''
      return `${name}: ${bytes.subarray(0, most).toString('hex')}${rest}`
    })
}
