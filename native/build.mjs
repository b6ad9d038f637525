// Builds the addon: node native/build.mjs [--sanitize=address,undefined] [--coverage] [--prebuild[=TARGET]] [--output=FOLDER]
//
// Node's headers come from where headers.mjs finds them, never from elsewhere. With --sanitize or --coverage the build happens in a copy of the
// sources (default build-<kind>/), so that the ordinary build stays as it is. So does --prebuild=TARGET (linux-x64, linuxmusl-arm64, ...), which takes the
// compilers that CC, CXX, LINK and AR name; tools/prebuild/main.mjs sets them.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { provideHeaders } from './headers.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

function option(name) {
  const prefix = `--${name}`
  const found = process.argv.slice(2).find((argument) => argument === prefix || argument.startsWith(`${prefix}=`))
  return found === undefined ? undefined : found.slice(prefix.length + 1)
}

/** The folder of headers; the reason why there is none is printed without a stack. */
function nodeDirectory() {
  try {
    return provideHeaders(root)
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}

/** A folder to build in: the checkout itself, or a copy for a special kind of build. */
function sourceDirectory(kind) {
  if (kind === undefined) return root
  const directory = resolve(option('output') || join(root, `build-${kind}`))
  mkdirSync(directory, { recursive: true })
  for (const name of ['native', 'binding.gyp', 'package.json'])
    cpSync(join(root, name), join(directory, name), { recursive: true, preserveTimestamps: true })
  if (!existsSync(join(directory, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  return directory
}

const headers = nodeDirectory()
const sanitize = option('sanitize')
const coverage = option('coverage') !== undefined
const prebuild = option('prebuild')
const kind = sanitize ? 'sanitize' : coverage ? 'coverage' : prebuild || undefined
const directory = sourceDirectory(kind)
const arch = prebuild ? [`--arch=${prebuild.split('-')[1]}`] : []
const switches = [...(sanitize ? [`-Dsanitize=${sanitize}`] : []), ...(coverage ? ['-Daddon_coverage=1'] : [])]
const gyp = (command, ...rest) => {
  const argv = [require.resolve('node-gyp/bin/node-gyp.js'), command, `--nodedir=${headers}`, '--loglevel=warn', ...arch, ...rest]
  const env = { ...process.env, npm_config_nodedir: undefined }
  const { status } = spawnSync(process.execPath, argv, { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'], env })
  if (status !== 0) process.exit(status ?? 1)
}
// Always configured anew: the list of sources is made then. What is up to date is not compiled again.
gyp('configure', '--', ...switches)
gyp('build', '-j', 'max')

if (prebuild !== undefined) {
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : ''
  const target = join(root, 'prebuilds', `${prebuild || `linux${libc}-${process.arch}`}.node`)
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(join(directory, 'build/Release/netplane.node'), target)
  // Others are linked without symbols: this machine's strip need not know them.
  if (!prebuild) execFileSync('strip', ['--strip-unneeded', target])
}
