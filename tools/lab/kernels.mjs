// Kernels of Debian's cloud images, unpacked (not installed) into the cache of the lab.
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheFolder, fetchIntoCache, newestSuite, otherSuite, output, unpackPackages } from './cache.mjs'
import { buildInitialFileSystem } from './initial-file-system.mjs'

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

/** Downloads the packages of a kernel and unpacks them. @returns {Promise<string>} the folder of what they hold */
async function download(kernel, folder) {
  const other = async () => findImage(await otherSuite(folder, kernel.suite), kernel)
  const found = (kernel.series === undefined ? undefined : await findImage([], kernel)) ?? (await other())
  if (found === undefined) throw new Error(`the suite ${kernel.suite} of this machine's mirror has no ${kernel.packages[0]} of that series`)
  const { options, image } = found
  return unpackPackages(options, [image, ...(await dependencies(options, image, /^linux-(binary|modules|base)-\d/))], folder)
}

/** Keeps kernel and modules of what was unpacked, and makes what boots them. Debian has moved them from / to /usr. */
async function arrange(root, folder) {
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
  const place = parts(path.join(cacheFolder(), kernel.name))
  if (existsSync(place.initial)) return place
  const what = `Linux ${kernel.series ?? '(newest)'}: ${kernel.packages.join(' or ')} of Debian ${kernel.suite}`
  return parts(await fetchIntoCache(kernel.name, what, async (folder) => arrange(await download(kernel, folder), folder)))
}
