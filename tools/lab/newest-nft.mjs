// The newest nft that Debian has, unpacked (not installed) beside the kernels of the lab with the libraries it needs, its own libc among them. Run by itself it fetches it, or says why it cannot.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { cacheFolder, newestSuite, otherSuite, output } from './kernels.mjs'

const folderName = 'newest-nft'
/** What is not needed to run a program is not followed. */
const onlyDependencies = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((name) => `--no-${name}`)

/** The file of a folder whose name a pattern matches, in any depth; undefined when there is none. */
function find(folder, pattern) {
  const found = readdirSync(folder, { recursive: true }).find((name) => pattern.test(path.basename(name)))
  return found === undefined ? undefined : path.join(folder, found)
}

/**
 * The command line that runs the newest nft, as far as it has been fetched: through the loader that came with it, as its libc may be newer than the machine's.
 * @returns {string[] | undefined}
 */
export function newestNft() {
  const root = path.join(cacheFolder(), folderName)
  if (!existsSync(root)) return undefined
  const loader = find(root, /^ld-linux.*\.so\.\d+$/)
  const library = find(root, /^libnftables\.so\.\d+$/)
  if (loader === undefined || library === undefined) return undefined
  return [loader, '--library-path', path.dirname(library), path.join(root, 'usr', 'sbin', 'nft')]
}

async function unpackInto(folder) {
  const options = await otherSuite(folder, newestSuite)
  const listing = await output('apt-cache', [...options, 'depends', '--recurse', ...onlyDependencies, 'nftables'])
  const names = [...listing.matchAll(/^([a-z0-9][a-z0-9.+-]*)$/gm)].map(([, name]) => name)
  const debs = path.join(folder, 'debs')
  mkdirSync(debs)
  await output('apt-get', ['-qq', '-oAPT::Sandbox::User=root', ...options, 'download', ...names], debs)
  const root = path.join(folder, 'root')
  for (const deb of readdirSync(debs)) await output('dpkg-deb', ['--extract', path.join(debs, deb), root])
  return root
}

/** Fetches the newest nft when it is not in the cache. @returns {Promise<string[]>} the command line that runs it */
export async function provideNewestNft() {
  const present = newestNft()
  if (present !== undefined) return present
  const cache = cacheFolder()
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(path.join(cache, 'fetch-'))
  try {
    const root = await unpackInto(folder)
    rmSync(path.join(cache, folderName), { recursive: true, force: true })
    renameSync(root, path.join(cache, folderName))
    const command = newestNft()
    if (command === undefined) throw new Error('the packages hold no libnftables or no loader')
    return command
  } catch (error) {
    const why = (error.stderr || error.message).trim()
    throw new Error(`nft of Debian ${newestSuite} could not be fetched into ${cache}: ${why}`, { cause: error })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === import.meta.filename) console.log((await provideNewestNft()).join(' '))
