// Runs the bench that bench/run.mjs has built, on whatever kernel this is.
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const root = path.resolve(import.meta.dirname, '..')
const cache = path.join(root, 'node_modules', '.cache', 'netplane-bench')
const { main } = await import(pathToFileURL(path.join(cache, 'js', 'main.mjs')).href)
process.exitCode = await main({ root, cache, argv: process.argv.slice(2) })
