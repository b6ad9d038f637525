// The newest nft that Debian has, unpacked (not installed) beside the kernels of the lab with the libraries it needs, its own libc among them. Run by itself it fetches it, or says why it cannot.
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { cacheFolder, fetchIntoCache, newestSuite, otherSuite, output, unpackPackages } from './cache.mjs'

const folderName = 'newest-nft'
/** What is not needed to run a program is not followed. */
const onlyDependencies = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((name) => `--no-${name}`)

/** The file of a folder whose name a pattern matches, in any depth; undefined when there is none. */
function find(folder, pattern) {
  const found = readdirSync(folder, { recursive: true }).find((name) => pattern.test(path.basename(name)))
  return found === undefined ? undefined : path.join(folder, found)
}

/** The command line that runs the nft of a folder: through the loader that came with it, as its libc may be newer than the machine's. */
function commandIn(root) {
  const loader = find(root, /^ld-linux.*\.so\.\d+$/)
  const library = find(root, /^libnftables\.so\.\d+$/)
  if (loader === undefined || library === undefined) return undefined
  return [loader, '--library-path', path.dirname(library), path.join(root, 'usr', 'sbin', 'nft')]
}

/**
 * The command line that runs the newest nft, as far as it has been fetched.
 * @returns {string[] | undefined}
 */
export function newestNft() {
  const root = path.join(cacheFolder(), folderName)
  return existsSync(root) ? commandIn(root) : undefined
}

async function fetchNft(folder) {
  const options = await otherSuite(folder, newestSuite)
  const listing = await output('apt-cache', [...options, 'depends', '--recurse', ...onlyDependencies, 'nftables'])
  const names = [...listing.matchAll(/^([a-z0-9][a-z0-9.+-]*)$/gm)].map(([, name]) => name)
  const root = await unpackPackages(options, names, folder)
  if (commandIn(root) === undefined) throw new Error('the packages hold no libnftables or no loader')
  return root
}

/** Fetches the newest nft when it is not in the cache. @returns {Promise<string[]>} the command line that runs it */
export async function provideNewestNft() {
  return newestNft() ?? commandIn(await fetchIntoCache(folderName, `nft of Debian ${newestSuite}`, fetchNft))
}

if (process.argv[1] === import.meta.filename) console.log((await provideNewestNft()).join(' '))
