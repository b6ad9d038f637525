// The proxy and its parser with what they import, in a file each, and the licences of what is in them.
import path from 'node:path'
import { build } from 'tsup'
import { bundledLicences } from '../../../tools/bundled-licences.mjs'

/** Libraries in CommonJS ask for modules of Node by `require`, which an ES module does not have. */
const REQUIRE =
  "import { createRequire as createProgramRequire } from 'node:module'; const require = createProgramRequire(import.meta.url);"

/**
 * How tsup builds them. `isProgram`: the files can be started by their names, and leave the library `netplane` to be installed beside them; else it is in them, too.
 *
 * @param {import('./bundle.d.mts').BundleOptions} options
 * @returns {import('tsup').Options}
 */
export function proxyBuild({ repository, folder, isProgram = false }) {
  const sources = path.join(repository, 'examples', 'proxy')
  return {
    entry: { proxy: path.join(sources, 'main.ts'), 'proxy-parser': path.join(sources, 'manifests', 'parser.ts') },
    outDir: folder,
    format: ['esm'],
    target: 'node20.19',
    platform: 'node',
    tsconfig: path.join(repository, 'tsconfig.json'),
    external: isProgram ? [/^netplane(\/|$)/] : [],
    noExternal: [isProgram ? /^(?!netplane(\/|$))/ : /.*/],
    splitting: false,
    clean: false,
    banner: { js: isProgram ? `#!/usr/bin/env node\n${REQUIRE}` : REQUIRE },
    esbuildPlugins: [bundledLicences(path.join(folder, 'LICENCES.txt'))]
  }
}

/** @param {import('./bundle.d.mts').BundleOptions} options As of {@link proxyBuild}. */
export async function bundleProxy(options) {
  await build({ config: false, silent: true, ...proxyBuild(options) })
}
