// npm run demo: installs what is missing, builds, and runs the demo.
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../../test/run/exec.mjs'
import { install } from '../../test/run/install.mjs'
import { missing, provide } from '../../test/run/requirements.mjs'
import { play } from './play.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
process.chdir(root)

const packages = ['g++', 'make', 'python3', 'ip', ...(process.getuid?.() === 0 ? ['IPVS, or User-Mode Linux'] : [])]
const needs = [...packages, 'namespaces']
await provide(packages)
const lacking = missing(needs)
if (lacking.length > 0) {
  console.error(`the demo needs: ${lacking.join('; ')}`)
  process.exit(1)
}
if (!(await install(root))) process.exit(1)
console.log('building')
const built = await exec(['npm', 'run', '--silent', 'build:all'], { timeoutSeconds: 600, quiet: true, cwd: root })
if (built.status !== 0) process.exit(1)

process.exitCode = await play()
