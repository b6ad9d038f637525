// The root file system of the image: Node.js, its libraries, the proxy in one file, the addon, and nothing else.
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { bundleProxy } from '../bundle.mjs'
import { ImageError } from './failure.mjs'
import { findLibraries } from './libraries.mjs'

/** Where the programs are in the image. Containerfile and daemonset.yaml name them, too. */
const NODE = '/usr/bin/node'
const PROGRAMS = '/app'

/** Read by the C library where a name of a host is looked up. */
const NSSWITCH = 'hosts: files dns\n'

/** Who has `imports` finds the addon beside the proxy (src/native/loader.ts). */
const PACKAGE = { type: 'module', imports: { '#build/*': './*' } }

/** The addon that was built last. */
function findAddon(repository) {
  const file = path.join(repository, 'build', 'Release', 'netplane.node')
  if (!existsSync(file)) throw new ImageError(`${file} is missing: npm run build:native`)
  return file
}

function put(source, target, mode) {
  mkdirSync(path.dirname(target), { recursive: true })
  copyFileSync(source, target)
  chmodSync(target, mode)
}

/**
 * Assembles the root file system anew.
 * @param {{ repository: string, root: string }} where `root`: the folder that becomes `/`
 */
export async function assembleRoot({ repository, root }) {
  const addon = findAddon(repository)
  const node = process.execPath
  rmSync(root, { recursive: true, force: true })
  const programs = path.join(root, PROGRAMS)
  mkdirSync(programs, { recursive: true })
  put(node, path.join(root, NODE), 0o755)
  put(addon, path.join(programs, 'netplane.node'), 0o755)
  for (const library of findLibraries([node, addon])) put(library, path.join(root, library), 0o755)
  put(path.join(repository, 'LICENSE'), path.join(programs, 'LICENSE'), 0o644)
  writeFileSync(path.join(programs, 'package.json'), `${JSON.stringify(PACKAGE)}\n`)
  mkdirSync(path.join(root, 'etc'))
  writeFileSync(path.join(root, 'etc', 'nsswitch.conf'), NSSWITCH)
  await bundleProxy({ repository, folder: programs })
}
