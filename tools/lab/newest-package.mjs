// Packages of Debian's newest suite, unpacked (not installed) beside the kernels of the lab with all they depend on, their own libc among it.
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { cacheFolder, fetchIntoCache, newestSuite, otherSuite, output, unpackPackages } from './cache.mjs'

/** What is not needed to run a program is not followed. */
const onlyDependencies = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((name) => `--no-${name}`)

/** The file of a folder whose name a pattern matches, in any depth; undefined when there is none. */
function find(folder, pattern) {
  const found = readdirSync(folder, { recursive: true }).find((name) => pattern.test(path.basename(name)))
  return found === undefined ? undefined : path.join(folder, found)
}

/**
 * The loader that came with a library, which its programs run through, as their libc may be newer than the machine's.
 * @param {string} root
 * @param {RegExp} library its file's name
 * @returns {{ loader: string, libraries: string } | undefined} the loader, and the folder of the libraries
 */
export function loaderIn(root, library) {
  const [loader, file] = [find(root, /^ld-linux.*\.so\.\d+$/), find(root, library)]
  return loader === undefined || file === undefined ? undefined : { loader, libraries: path.dirname(file) }
}

async function unpack(folder, packageName) {
  const options = await otherSuite(folder, newestSuite)
  const listing = await output('apt-cache', [...options, 'depends', '--recurse', ...onlyDependencies, packageName])
  const names = [...listing.matchAll(/^([a-z0-9][a-z0-9.+-]*)$/gm)].map(([, name]) => name)
  return await unpackPackages(options, names, folder)
}

/**
 * The newest version of a program.
 * @template Use
 * @param {object} given
 * @param {string} given.name what it is called
 * @param {string} given.packageName that brings it
 * @param {(root: string) => void} [given.prepare] adds to the folder what its use needs
 * @param {(root: string) => Use | undefined} given.use how it is run where its folder is; undefined: something is lacking there
 */
export function newestPackage({ name, packageName, prepare = () => undefined, use }) {
  const folderName = `newest-${name}`
  const problemVariable = `NETPLANE_NEWEST_${name.toUpperCase()}_PROBLEM`

  const find = () => {
    const root = path.join(cacheFolder(), folderName)
    return existsSync(root) ? use(root) : undefined
  }

  const fetchInto = async (folder) => {
    const root = await unpack(folder, packageName)
    prepare(root)
    if (use(root) === undefined) throw new Error(`the packages hold no ${name} that can be run`)
    return root
  }

  const provide = async () => find() ?? use(await fetchIntoCache(folderName, `${name} of Debian ${newestSuite}`, fetchInto))

  return {
    /** How it is run, as far as it has been fetched. */
    find,
    /** Fetches it when it is not in the cache, and returns how it is run. */
    provide,
    /** Fetches it for the tests of another process, to which it leaves the reason where it cannot. */
    async provideForTests() {
      try {
        await provide()
      } catch (error) {
        process.env[problemVariable] = error.message
      }
    },
    /** How it is run. Throws where it has not been fetched, and says why. */
    require() {
      const found = find()
      if (found !== undefined) return found
      throw new Error(process.env[problemVariable] ?? `the newest ${name} has not been fetched: node tools/lab/newest-${name}.mjs does it`)
    }
  }
}
