// Builds the binaries of the tarball: node tools/prebuild/main.mjs [--check] [TARGET…]; default: all. With --check it builds nothing, and fails where one is missing.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { binaryOf, targets } from './targets.mjs'
import { compilers, provideZig } from './zig.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const words = process.argv.slice(2)
const chosen = words.filter((word) => word !== '--check')
const unknown = chosen.filter((word) => !(word in targets))
const names = chosen.length > 0 ? chosen : Object.keys(targets)

function end(message) {
  console.error(message)
  process.exit(1)
}

if (unknown.length > 0) end(`${unknown.join(', ')}: unknown; known are ${Object.keys(targets).join(', ')}`)
if (words.includes('--check')) {
  const missing = names.map(binaryOf).filter((file) => !existsSync(path.join(root, file)))
  if (missing.length > 0) end(`The tarball would lack ${missing.join(', ')}: npm run build:prebuilds`)
} else {
  const zig = await provideZig().catch((error) => end(error.message))
  for (const name of names) {
    const env = { ...process.env, ...compilers(zig, targets[name].triple) }
    const { status } = spawnSync(process.execPath, [path.join(root, 'native/build.mjs'), `--prebuild=${name}`], { stdio: 'inherit', env })
    if (status !== 0) end(`${name} could not be built`)
    console.log(binaryOf(name))
  }
}
