// Builds the site of the documentation into build/site: node tools/site/main.mjs. With --check only typedoc reads the sources.
import path from 'node:path'
import process from 'node:process'
import { collectPages } from './source.mjs'
import { reference } from './typedoc.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const source = path.join(root, 'build/site-source')

async function build() {
  const files = collectPages(root, source)
  if (!(await reference(root, path.join(source, 'api')))) return false
  const vitepress = await import('vitepress')
  await vitepress.build(path.join(root, 'tools/site'))
  console.log(`${files.length} pages and the reference: build/site/index.html; npx vitepress preview tools/site shows them`)
  return true
}

const isGood = process.argv.includes('--check') ? await reference(root, undefined) : await build()
process.exitCode = isGood ? 0 : 1
