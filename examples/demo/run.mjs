// npm run demo: installs what is missing, builds, and runs the demo in namespaces of its own.
//
// A user, network, mount and process namespace each: what the demo makes goes with it, also when it is interrupted or killed. Root uses no user namespace, as some systems
// forbid them.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../../test/run/exec.mjs'
import { install } from '../../test/run/install.mjs'
import { missing, provide } from '../../test/run/requirements.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
process.chdir(root)

const needs = ['g++', 'make', 'python3', 'ip', 'namespaces']
await provide(needs.slice(0, -1))
const lacking = missing(needs)
if (lacking.length > 0) {
  console.error(`the demo needs: ${lacking.join('; ')}`)
  process.exit(1)
}
if (!(await install(root))) process.exit(1)
console.log('building')
const built = await exec(['npm', 'run', '--silent', 'build:all'], { timeoutSeconds: 600, quiet: true, cwd: root })
if (built.status !== 0) process.exit(1)

const isRoot = process.getuid?.() === 0
const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', ...(isRoot ? [] : ['--user', '--map-root-user'])]
// A /run of its own, so that `ip netns` needs no place in the machine's.
const inside = 'mount -t tmpfs run /run && mount -t proc proc /proc && exec "$0" build/examples/demo.js'
const child = spawn('unshare', [...namespaces, 'sh', '-c', inside, process.execPath], { stdio: 'inherit' })
// The terminal's Ctrl-C reaches the child as well; this process waits for it, to end with its status.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
