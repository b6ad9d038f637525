import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { exec } from './exec.mjs'

/** Whether node_modules is what package-lock.json says; optional packages of other platforms may be absent. */
function isInstalled(root) {
  const installed = path.join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages
  const have = read(installed)
  const wanted = Object.entries(read(path.join(root, 'package-lock.json'))).filter(([name]) => name !== '')
  return wanted.every(([name, entry]) => have[name]?.version === entry.version || (entry.optional === true && have[name] === undefined))
}

/** Brings node_modules up to date with the lock file; returns whether it is. */
export async function install(root) {
  if (isInstalled(root)) return true
  console.log('npm ci')
  const { status } = await exec(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error'], { timeoutSeconds: 600, cwd: root })
  return status === 0 && isInstalled(root)
}
