// npm run demo [-- --stay | --kubeconfig FILE]: says what it has to install and installs it, builds, and runs the demo. NETPLANE_INSTALL=no makes it stop where it would install.
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addSystemFolders } from '../../tools/lab/programs.mjs'
import { missingPackages } from '../../tools/lab/machines.mjs'
import { exec } from '../../test/run/exec.mjs'
import { install } from '../../test/run/install.mjs'
import { missing, missingPackagesOf } from '../../test/run/requirements.mjs'
import { play, readWords } from './play.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
// Paths are those of who asks.
const words = readWords()
if (words.kubeconfig !== undefined) words.kubeconfig = resolve(process.env.INIT_CWD ?? '.', words.kubeconfig)
process.chdir(root)
addSystemFolders()

const needs = ['g++', 'make', 'python3', 'ip', 'namespaces']
// Where neither can be had, its act is left out.
const wants = process.getuid?.() === 0 ? ['IPVS, or User-Mode Linux'] : []
if (!(await install(root, { packages: missingPackagesOf([...needs, ...wants]), kernels: [], builds: true }))) process.exit(1)
const lacking = missing(needs)
if (lacking.length > 0) {
  console.error(`the demo needs: ${lacking.join('; ')}`)
  process.exit(1)
}
console.log('building')
const built = await exec(['npm', 'run', '--silent', 'build:all'], { timeoutSeconds: 600, quiet: true, cwd: root })
if (built.status !== 0) process.exit(1)

const provide = (machine) => install(root, { packages: missingPackages(machine), kernels: [], builds: false })
process.exitCode = await play({ provide, ...words })
