// Compares docs/man/netplane.1 with the commands of src/cli, or with --write renews it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { build } from 'tsup'

const root = path.resolve(import.meta.dirname, '..')
const outDir = path.join(root, 'node_modules/.cache/netplane-manual')
await build({
  config: false,
  silent: true,
  entry: { manual: path.join(root, 'src/cli/manual.ts') },
  outDir,
  format: ['esm'],
  outExtension: () => ({ js: '.mjs' }),
  target: 'node20.19',
  platform: 'node',
  external: ['cli-table3', 'commander', 'yaml'],
  clean: true
})
const { manual } = await import(pathToFileURL(path.join(outDir, 'manual.mjs')).href)
const file = path.join(root, 'docs/man/netplane.1')
const wanted = manual()
mkdirSync(path.dirname(file), { recursive: true })
if (process.argv.includes('--write')) writeFileSync(file, wanted)
else if (readFileSync(file, 'utf8') !== wanted) {
  console.error('docs/man/netplane.1 is stale: run `npm run docs:man`')
  process.exitCode = 1
}
