// Compares docs/behaviour.md with the rows of test/contract/behaviour, or with --write renews it.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { build } from 'tsup'
import { machines } from './lab/machines.mjs'

const root = path.resolve(import.meta.dirname, '..')
const outDir = path.join(root, 'node_modules/.cache/netplane-behaviour')
await build({
  config: false,
  silent: true,
  entry: { page: path.join(root, 'test/contract/behaviour/page.ts') },
  outDir,
  format: ['esm'],
  outExtension: () => ({ js: '.mjs' }),
  target: 'node20.19',
  platform: 'node',
  external: ['prettier'],
  clean: true
})
const { page } = await import(pathToFileURL(path.join(outDir, 'page.mjs')).href)
const file = path.join(root, 'docs/behaviour.md')
const wanted = await page(machines)
if (process.argv.includes('--write')) writeFileSync(file, wanted)
else if (readFileSync(file, 'utf8') !== wanted) {
  console.error('docs/behaviour.md is stale: run `npm run docs:behaviour`')
  process.exitCode = 1
}
