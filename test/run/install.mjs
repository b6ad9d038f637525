// What a run installs on this machine: it is said before it is done, and NETPLANE_INSTALL=no forbids it.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { findHeaders, headerPackage } from '../../native/headers.mjs'
import { mayInstall } from '../../tools/may-install.mjs'
import { hasGo, hasServers, serverVersions } from '../../tools/cluster/build.mjs'
import { cacheFolder } from '../../tools/lab/cache.mjs'
import { findProgram } from '../../tools/lab/programs.mjs'
import { exec } from './exec.mjs'

/** Whether node_modules is what package-lock.json says; optional packages of other platforms may be absent. */
function hasNpmPackages(root) {
  const installed = path.join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages
  const have = read(installed)
  const wanted = Object.entries(read(path.join(root, 'package-lock.json'))).filter(([name]) => name !== '')
  return wanted.every(([name, entry]) => have[name]?.version === entry.version || (entry.optional === true && have[name] === undefined))
}

/** Whether Debian packages can be installed here at all. */
const hasApt = () => process.getuid() === 0 && findProgram('apt-get') !== undefined

/**
 * @typedef {object} Lacking what is not there yet
 * @property {boolean} npm whether node_modules is not what package-lock.json says
 * @property {string | undefined} headers the npm package that has Node's headers
 * @property {string[]} packages of Debian
 * @property {string[]} kernels of Debian, for the lab
 * @property {boolean} servers whether the servers of a Kubernetes API must be built, and can be
 */

/**
 * Looks for what a run would install.
 * @param {string} root of the repository
 * @param {{ packages: string[], kernels: string[], builds: boolean, runsServers: boolean }} wanted Debian packages that are missing; kernels that are;
 *   whether the addon is built; whether the servers of a Kubernetes API are started
 * @returns {Lacking}
 */
function findLacking(root, { packages, kernels, builds, runsServers }) {
  return {
    npm: !hasNpmPackages(root),
    headers: builds && findHeaders(root) === undefined ? headerPackage : undefined,
    packages,
    kernels,
    servers: runsServers && !hasServers() && hasGo()
  }
}

/**
 * What is said before anything is installed, and whether the run may go on.
 * @param {Lacking} lacking
 * @param {{ isAllowed: boolean, hasApt: boolean, cache: string }} surroundings `hasApt`: whether Debian packages can be installed here
 * @returns {{ lines: string[], mayGoOn: boolean }}
 */
export function announce({ npm, headers, packages, kernels, servers }, { isAllowed, hasApt, cache }) {
  const list = packages.join(' ')
  const installable = [
    ...(npm ? ['npm packages, into node_modules: those of package-lock.json (npm ci)'] : []),
    ...(headers === undefined ? [] : [`npm package, into build/node-headers: ${headers}, for Node's headers`]),
    ...(packages.length > 0 && hasApt ? [`Debian packages (apt-get install): ${list}`] : []),
    ...(kernels.length > 0 ? [`Debian's kernels, unpacked into ${cache}, about 60 MB each: Linux ${kernels.join(', ')}`] : []),
    ...(servers ? [`Go modules, of which ${serverVersions} are built into ${cache}: go.sum of tools/cluster/servers has them`] : [])
  ].map((line) => `  ${line}`)
  const others = packages.length > 0 && !hasApt ? [`these Debian packages are missing, which root could install: ${list}`] : []
  if (installable.length === 0) return { lines: others, mayGoOn: true }
  const first = isAllowed
    ? 'This will be installed (NETPLANE_INSTALL=no forbids it):'
    : 'This would have to be installed, which NETPLANE_INSTALL=no forbids:'
  return { lines: [first, ...installable, ...others], mayGoOn: isAllowed }
}

/** The packages of Debian that apt knows. */
const known = (packages) => packages.filter((name) => spawnSync('apt-cache', ['show', name], { stdio: 'ignore' }).status === 0)

/** Installs packages of Debian. What apt does not know or cannot install is left to those who look for it. */
async function installPackages(packages) {
  if (packages.length === 0 || !hasApt()) return
  const apt = (...args) =>
    exec(['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], {
      timeoutSeconds: 900,
      quiet: true,
      env: { DEBIAN_FRONTEND: 'noninteractive' }
    })
  const install = (names) => apt('install', '--yes', '--no-install-recommends', ...names)
  // The lists of a fresh machine are empty or old.
  if (known(packages).length === packages.length && (await install(packages)).status === 0) return
  await apt('update')
  const names = known(packages)
  const unknown = packages.filter((name) => !names.includes(name))
  if (unknown.length > 0) console.log(`apt knows no package ${unknown.join(', ')}`)
  if (names.length > 0) await install(names)
}

/**
 * Says what will be installed, and installs it, all but kernels, headers and Go modules: those are fetched when they are needed.
 * @param {string} root of the repository
 * @param {{ packages: string[], kernels: string[], builds: boolean, runsServers: boolean }} wanted
 * @returns {Promise<boolean>} whether the run may go on
 */
export async function install(root, wanted) {
  const lacking = findLacking(root, wanted)
  const { lines, mayGoOn } = announce(lacking, { isAllowed: mayInstall(), hasApt: hasApt(), cache: cacheFolder() })
  for (const line of lines) console.log(line)
  if (!mayGoOn) return false
  await installPackages(lacking.packages)
  if (!lacking.npm) return true
  console.log('npm ci')
  const { status } = await exec(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error'], { timeoutSeconds: 600, cwd: root })
  return status === 0 && hasNpmPackages(root)
}
