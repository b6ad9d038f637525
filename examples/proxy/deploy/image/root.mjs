// The root file system of the image: Node.js, its libraries, the proxy in one file, the addon, and nothing else.
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { build } from 'tsup'
import { bundledLicences } from '../../../../tools/bundled-licences.mjs'
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

/** The proxy and its parser with all that they import, in a file each. */
async function bundle(repository, folder) {
  const sources = path.join(repository, 'examples', 'proxy')
  await build({
    config: false,
    silent: true,
    entry: { proxy: path.join(sources, 'main.ts'), 'proxy-parser': path.join(sources, 'manifests', 'parser.ts') },
    outDir: folder,
    format: ['esm'],
    target: 'node20.19',
    platform: 'node',
    tsconfig: path.join(repository, 'tsconfig.json'),
    noExternal: [/.*/],
    splitting: false,
    clean: false,
    // Libraries in CommonJS ask for modules of Node by `require`, which an ES module does not have.
    banner: {
      js: "import { createRequire as createProgramRequire } from 'node:module'; const require = createProgramRequire(import.meta.url);"
    },
    esbuildPlugins: [bundledLicences(path.join(folder, 'LICENCES.txt'))]
  })
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
  await bundle(repository, programs)
}
