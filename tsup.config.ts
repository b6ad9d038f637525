import { defineConfig, type Options } from 'tsup'
import { bundledLicences } from './tools/bundled-licences.mjs'

/** The files of the command line, which the other builds must leave alone: all run at the same time. */
const COMMAND_LINE = 'cli.*'

/** That of the threads that carry connections, which is one file, too. */
const RELAY_WORKER = 'relay-worker.*'

/** What programs of one file have in common. Only the modules clean what was there: all are built at the same time. */
const PROGRAM = {
  format: ['esm'],
  target: 'node20.19',
  platform: 'node',
  dts: false,
  clean: false,
  splitting: false,
  sourcemap: false
} satisfies Options

export default defineConfig([
  {
    entry: ['src/index.ts', 'src/nftables.ts', 'src/testing.ts'],
    format: ['esm', 'cjs'],
    // The oldest Node that package.json accepts; `await using` is lowered to what it has.
    target: 'node20.19',
    platform: 'node',
    dts: true,
    clean: [`!${COMMAND_LINE}`, `!${RELAY_WORKER}`],
    // Not keepNames: it defines the name of every inner function anew whenever that is made. Classes keep theirs anyway.
    // The addon loader needs `import.meta.url` in the CommonJS copy too.
    shims: true,
    splitting: true,
    sourcemap: false,
    treeshake: true
  },
  {
    // A program for workers of Node, which package.json names in `imports`.
    ...PROGRAM,
    entry: { 'relay-worker': 'src/plane/userspace/relays/threads/worker.ts' },
    treeshake: true
  },
  {
    // The command line and all that it uses, libraries too, in one file: the package depends on no other at run time.
    ...PROGRAM,
    entry: { cli: 'src/cli/bin.ts' },
    noExternal: [/.*/],
    // Libraries in CommonJS ask for modules of Node by `require`, which an ES module does not have.
    banner: {
      js: "import { createRequire as createCommandRequire } from 'node:module'; const require = createCommandRequire(import.meta.url);"
    },
    esbuildPlugins: [bundledLicences('dist/cli.LICENCES.txt')]
  }
])
