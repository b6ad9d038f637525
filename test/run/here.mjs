// What this machine has of what the suites of test/run/suites.mjs require.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import process from 'node:process'

/** Whether this kernel has something, built in or as a module that is loaded or can be. */
const has = (file, module) => existsSync(file) || spawnSync('modprobe', ['--dry-run', '--quiet', module]).status === 0

/** Whether this kernel has ip_vs. */
export const hasIpvs = () => has('/proc/net/ip_vs', 'ip_vs')

/**
 * What suites may require and cannot have on this machine: the reason in words.
 * @returns {Record<string, string>}
 */
export function lacksHere() {
  const isRoot = process.getuid() === 0
  const reason = (isThere, name) => (isThere ? 'only root may use it here' : `this kernel has no ${name}`)
  const found = { ipvs: [hasIpvs(), 'IPVS'], 'dummy links': [has('/sys/module/dummy', 'dummy'), 'dummy links'] }
  const lacking = Object.entries(found).filter(([, [isThere]]) => !isThere || !isRoot)
  return {
    'a machine of its own': 'it changes the whole machine',
    ...Object.fromEntries(lacking.map(([feature, [isThere, name]]) => [feature, reason(isThere, name)]))
  }
}
