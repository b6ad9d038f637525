// Kernels of Debian's cloud images, unpacked (not installed) into a folder of the user's cache: a fetched kernel is kept until that folder is removed.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { mayInstall } from '../may-install.mjs'
import { buildInitialFileSystem } from './initial-file-system.mjs'

const execute = promisify(execFile)
export const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
export const newestSuite = 'sid'

/**
 * @typedef {object} Kernel
 * @property {string} name of its folder in the cache
 * @property {string} [series] such as `6.1`; without one, the newest that Debian has
 * @property {string[]} packages that depend on the wanted kernel, looked for in the sources that the machine has
 * @property {boolean} isInEveryRun whether `npm test` boots it, too: the oldest and the newest
 * @property {string} suite of Debian that has it under the first of these names, when those sources have not
 */

/** @type {Kernel[]} */
export const kernels = [
  { name: '5.10', series: '5.10', packages: ['linux-image-cloud-amd64'], suite: 'bullseye', isInEveryRun: true },
  { name: '6.1', series: '6.1', packages: ['linux-image-cloud-amd64'], suite: 'bookworm', isInEveryRun: false },
  {
    name: '6.12',
    series: '6.12',
    packages: ['linux-image-cloud-amd64', 'linux-image-6.12-cloud-amd64'],
    suite: 'trixie',
    isInEveryRun: false
  },
  { name: 'newest', packages: ['linux-image-cloud-amd64'], suite: newestSuite, isInEveryRun: true }
]

/** Where kernels are kept. */
export function cacheFolder() {
  const own = process.env.XDG_CACHE_HOME
  return path.join(own !== undefined && path.isAbsolute(own) ? own : path.join(os.homedir(), '.cache'), 'netplane-lab')
}

/** The parts of a fetched kernel. */
const parts = (folder) => ({
  kernel: path.join(folder, 'vmlinuz'),
  initial: path.join(folder, 'initial.gz'),
  modules: path.join(folder, 'lib', 'modules')
})

/** The release of a fetched kernel, as `uname -r` says it; undefined when it has not been fetched. */
export function releaseOf({ name }) {
  const { initial, modules } = parts(path.join(cacheFolder(), name))
  return existsSync(initial) ? readdirSync(modules)[0] : undefined
}

/** Output of a program of apt or dpkg; rejects with what it said when it fails or takes longer than five minutes. */
export async function output(command, args, cwd) {
  const { stdout } = await execute(command, args, { cwd, timeout: 300_000, maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } })
  return stdout
}

/** The packages that a package depends on, of those that a pattern matches. */
async function dependencies(options, name, pattern) {
  // Fails for a package that no source has.
  const text = await output('apt-cache', [...options, 'depends', name]).catch(() => '')
  return [...text.matchAll(/^\s*Depends: (\S+)$/gm)].map(([, found]) => found).filter((found) => pattern.test(found))
}

/** The image that one of the packages stands for, if it is of the wanted series. */
async function findImage(options, { packages, series }) {
  const pattern = series === undefined ? /^linux-image-\d/ : new RegExp(`^linux-image-${series.replaceAll('.', '\\.')}[.-]`)
  for (const name of packages) {
    const [image] = await dependencies(options, name, pattern)
    if (image !== undefined) return { options, image }
  }
  return undefined
}

/** The machine's Debian mirror, from its own sources in whichever format they are written. */
async function mirror() {
  const format = '$(REPO_URI) $(COMPONENT) $(ORIGIN) $(CODENAME)'
  const lines = (await output('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])).split('\n')
  const sources = lines.map((line) => line.split(' ')).filter(([, component, origin]) => component === 'main' && origin === 'Debian')
  const main = sources.find(([, , , codename]) => codename !== undefined && !codename.includes('-'))
  if (main === undefined) throw new Error('the sources of apt name no mirror of Debian (or its lists are empty: apt-get update)')
  return main[0]
}

/** Options by which apt reads one other suite of the machine's mirror, with lists of its own in `folder`. */
export async function otherSuite(folder, suite) {
  if (!existsSync(keyring)) throw new Error('the Debian package debian-archive-keyring is needed: apt-get install debian-archive-keyring')
  const list = path.join(folder, 'sources.list')
  const suites = suite === newestSuite ? [suite] : [suite, `${suite}-updates`]
  const address = await mirror()
  writeFileSync(list, suites.map((name) => `deb [signed-by=${keyring}] ${address} ${name} main\n`).join(''))
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(path.join(folder, name), { recursive: true })
  const places = { 'Etc::sourcelist': list, 'Etc::sourceparts': '/dev/null', 'State::Lists': `${folder}/lists`, Cache: `${folder}/cache` }
  const options = Object.entries(places).map(([name, value]) => `-oDir::${name}=${value}`)
  await output('apt-get', ['-qq', '-oAPT::Sandbox::User=root', ...options, 'update'])
  return options
}

async function download(kernel, folder) {
  const other = async () => findImage(await otherSuite(folder, kernel.suite), kernel)
  const found = (kernel.series === undefined ? undefined : await findImage([], kernel)) ?? (await other())
  if (found === undefined) throw new Error(`the suite ${kernel.suite} of this machine's mirror has no ${kernel.packages[0]} of that series`)
  const { options, image } = found
  const rest = await dependencies(options, image, /^linux-(binary|modules|base)-\d/)
  const debs = path.join(folder, 'debs')
  mkdirSync(debs)
  await output('apt-get', ['-qq', '-oAPT::Sandbox::User=root', ...options, 'download', image, ...rest], debs)
  return readdirSync(debs).map((file) => path.join(debs, file))
}

/** Unpacks packages, keeps kernel and modules, and makes what boots them. Debian has moved them from / to /usr. */
async function unpack(debs, folder) {
  const root = path.join(folder, 'root')
  for (const deb of debs) await output('dpkg-deb', ['--extract', deb, root])
  const modules = ['lib/modules', 'usr/lib/modules'].map((name) => path.join(root, name)).find((name) => existsSync(name))
  if (modules === undefined) throw new Error('the packages hold no modules')
  const ready = path.join(folder, 'ready')
  const place = parts(ready)
  mkdirSync(path.dirname(place.modules), { recursive: true })
  renameSync(modules, place.modules)
  const [release] = readdirSync(place.modules)
  const images = [path.join(root, 'boot', `vmlinuz-${release}`), path.join(place.modules, release, 'vmlinuz')]
  renameSync(images.find((name) => existsSync(name)) ?? images[0], place.kernel)
  await output('depmod', ['--basedir', ready, release])
  // Last: where it is, the kernel is complete.
  writeFileSync(place.initial, await buildInitialFileSystem(folder, ready, release))
  return ready
}

/**
 * The files of a kernel, fetched when they are not in the cache.
 * @param {Kernel} kernel
 * @returns {Promise<{ kernel: string, initial: string, modules: string }>} image, compressed initial file system, folder of modules
 */
export async function provideKernel(kernel) {
  const cache = cacheFolder()
  const place = parts(path.join(cache, kernel.name))
  if (existsSync(place.initial)) return place
  const what = `Linux ${kernel.series ?? '(newest)'}: ${kernel.packages.join(' or ')} of Debian ${kernel.suite}`
  if (!mayInstall()) throw new Error(`${what} is not in ${cache}, and NETPLANE_INSTALL=no forbids to fetch it`)
  console.error(`fetching into ${cache}: ${what}`)
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(path.join(cache, 'fetch-'))
  try {
    const ready = await unpack(await download(kernel, folder), folder)
    rmSync(path.join(cache, kernel.name), { recursive: true, force: true })
    renameSync(ready, path.join(cache, kernel.name))
    return place
  } catch (error) {
    throw new Error(`${what} could not be fetched into ${cache}: ${(error.stderr || error.message).trim()}`, { cause: error })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
