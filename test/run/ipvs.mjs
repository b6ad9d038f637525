import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Whether this kernel has ip_vs, built in or as a module that is loaded or can be. */
export function hasIpvs() {
  return existsSync('/proc/net/ip_vs') || spawnSync('modprobe', ['--dry-run', '--quiet', 'ip_vs']).status === 0
}
