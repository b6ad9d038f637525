// Packages of Debian, unpacked (not installed) into a folder of the user's cache: what has been fetched is kept until that folder is removed.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { mayInstall } from '../may-install.mjs'

const execute = promisify(execFile)
export const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
export const newestSuite = 'sid'

/** Where it is kept. */
export function cacheFolder() {
  const own = process.env.XDG_CACHE_HOME
  return path.join(own !== undefined && path.isAbsolute(own) ? own : path.join(os.homedir(), '.cache'), 'netplane-lab')
}

/** Output of a program; rejects with what it said when it fails or takes longer than five minutes. */
export async function output(command, args, cwd) {
  const { stdout } = await execute(command, args, { cwd, timeout: 300_000, maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } })
  return stdout
}

const aptGet = (options, args, cwd) => output('apt-get', ['-qq', '-oAPT::Sandbox::User=root', ...options, ...args], cwd)

/** The machine's Debian mirror, from its own sources in whichever format they are written. */
async function mirror() {
  const format = '$(REPO_URI) $(COMPONENT) $(ORIGIN) $(CODENAME)'
  const lines = (await output('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])).split('\n')
  const sources = lines.map((line) => line.split(' ')).filter(([, component, origin]) => component === 'main' && origin === 'Debian')
  const main = sources.find(([, , , codename]) => codename !== undefined && !codename.includes('-'))
  if (main === undefined) throw new Error('the sources of apt name no mirror of Debian (or its lists are empty: apt-get update)')
  return main[0]
}

/**
 * Options by which apt reads one other suite of the machine's mirror, with lists of its own in `folder`.
 * @param {string} folder
 * @param {string} suite
 * @param {string} [architecture] of the packages; default: the machine's
 */
export async function otherSuite(folder, suite, architecture) {
  if (!existsSync(keyring)) throw new Error('the Debian package debian-archive-keyring is needed: apt-get install debian-archive-keyring')
  const list = path.join(folder, 'sources.list')
  const suites = suite === newestSuite ? [suite] : [suite, `${suite}-updates`]
  const address = await mirror()
  writeFileSync(list, suites.map((name) => `deb [signed-by=${keyring}] ${address} ${name} main\n`).join(''))
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(path.join(folder, name), { recursive: true })
  const places = { 'Etc::sourcelist': list, 'Etc::sourceparts': '/dev/null', 'State::Lists': `${folder}/lists`, Cache: `${folder}/cache` }
  const foreign = architecture === undefined ? [] : [`-oAPT::Architecture=${architecture}`, `-oAPT::Architectures=${architecture}`]
  const options = [...Object.entries(places).map(([name, value]) => `-oDir::${name}=${value}`), ...foreign]
  await aptGet(options, ['update'])
  return options
}

/**
 * Downloads packages and unpacks them all into one folder.
 * @param {string[]} options of apt, for where they are
 * @param {string[]} names
 * @param {string} folder that is gone afterwards
 * @returns {Promise<string>} the folder that holds what they hold, in `folder`
 */
export async function unpackPackages(options, names, folder) {
  const [debs, root] = [path.join(folder, 'debs'), path.join(folder, 'root')]
  mkdirSync(debs)
  await aptGet(options, ['download', ...names], debs)
  for (const deb of readdirSync(debs)) await output('dpkg-deb', ['--extract', path.join(debs, deb), root])
  return root
}

/**
 * Fetches a folder of the cache, in place of one that is not complete. NETPLANE_INSTALL=no forbids it.
 * @param {string} name of the folder
 * @param {string} what it holds, in words
 * @param {(folder: string) => Promise<string>} make fills a folder inside the one it is given, which is gone afterwards, and says which; it has looked
 *   that all is there
 * @returns {Promise<string>} the folder in the cache
 */
export async function fetchIntoCache(name, what, make) {
  const cache = cacheFolder()
  if (!mayInstall()) throw new Error(`${what} is not in ${cache}, and NETPLANE_INSTALL=no forbids to fetch it`)
  console.error(`fetching into ${cache}: ${what}`)
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(path.join(cache, 'fetch-'))
  const place = path.join(cache, name)
  try {
    const ready = await make(folder)
    rmSync(place, { recursive: true, force: true })
    renameSync(ready, place)
    return place
  } catch (error) {
    throw new Error(`${what} could not be fetched into ${cache}: ${(error.stderr || error.message).trim()}`, { cause: error })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
