// Node's headers for the addon: those beside the running node (<prefix>/include/node) or, where it has none, those in the npm package of that node.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** The npm package that holds the running node, with its headers. */
export const headerPackage = `node-linux-${process.arch}@${process.versions.node}`

const api = 'include/node/node_api.h'
const holder = (root) => join(root, 'build', 'node-headers')
const packaged = (root) => join(holder(root), 'node_modules', `node-linux-${process.arch}`)

/** Whether that package has been installed: for this very version. */
function isInstalled(folder) {
  const manifest = join(folder, 'package.json')
  return existsSync(join(folder, api)) && JSON.parse(readFileSync(manifest, 'utf8')).version === process.versions.node
}

/** The folder whose include/node holds the headers of the running node; undefined when there is none yet. */
export function findHeaders(root, executable = process.execPath) {
  const beside = resolve(dirname(executable), '..')
  if (existsSync(join(beside, api))) return beside
  return isInstalled(packaged(root)) ? packaged(root) : undefined
}

/**
 * The same folder, which is filled first when need be: the package goes to build/node-headers, away from node_modules, where npm would take what it
 * does not know for superfluous. NETPLANE_INSTALL=no forbids it.
 */
export function provideHeaders(root) {
  const found = findHeaders(root)
  if (found !== undefined) return found
  const why = `no headers beside ${process.execPath} (include/node)`
  if (process.env.NETPLANE_INSTALL === 'no')
    throw new Error(`${why}; needed is the npm package ${headerPackage}, and NETPLANE_INSTALL is no`)
  console.error(`${why}: installing the npm package ${headerPackage} into ${holder(root)}`)
  const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  execFileSync('npm', ['install', '--prefix', holder(root), ...quiet, headerPackage], { stdio: ['ignore', 'inherit', 'inherit'] })
  if (!isInstalled(packaged(root))) throw new Error(`the npm package ${headerPackage} holds no headers`)
  return packaged(root)
}
