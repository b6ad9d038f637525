// `npm run bench`: bundles the bench's own TypeScript, which measures the built package in dist/, and runs it. See bench/main.ts.
import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { build } from 'tsup'

const root = path.resolve(import.meta.dirname, '..')
const cache = path.join(root, 'node_modules', '.cache', 'netplane-bench')
const missing = ['dist/index.js', 'build/Release/netplane.node'].filter((file) => !existsSync(path.join(root, file)))
if (missing.length > 0) {
  console.error(`bench: ${missing.join(' and ')} missing: run \`npm run build\` first`)
  process.exit(1)
}
await build({
  config: false,
  silent: true,
  entry: { main: path.join(root, 'bench/main.ts'), child: path.join(root, 'bench/child.ts') },
  outDir: path.join(cache, 'js'),
  format: ['esm'],
  outExtension: () => ({ js: '.mjs' }),
  target: 'node20.19',
  platform: 'node',
  splitting: false,
  clean: true
})
const { main } = await import(pathToFileURL(path.join(cache, 'js', 'main.mjs')).href)
process.exitCode = await main({ root, cache, argv: process.argv.slice(2) })
