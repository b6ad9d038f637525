// Compiles the tests of the C++ core for arm64, whatever this machine is: node tools/prebuild/native-tests.mjs; root and emulator of roots.mjs run them.
import { spawnSync } from 'node:child_process'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { targets } from './targets.mjs'
import { compilers, provideZig } from './zig.mjs'

/** The platform that they are compiled for. */
export const testedTarget = 'linux-arm64'

const root = path.resolve(import.meta.dirname, '../..')
const folder = path.join(root, `build-native-tests-${testedTarget}`)

/** Where the programs are. */
export const programs = path.join(folder, 'bin')

/** Debian's package libgtest-dev has the library for its own processor alone; the sources are in the package that it needs. */
const googletest = '/usr/src/googletest'

async function build() {
  const env = { ...process.env, ...compilers(await provideZig(), targets[testedTarget].triple) }
  const platform = ['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64', `-DNETPLANE_GOOGLETEST=${googletest}`]
  const steps = [
    ['-S', root, '-B', folder, ...platform],
    ['--build', folder, '--parallel', String(os.availableParallelism())]
  ]
  return steps.every((argv) => spawnSync('cmake', argv, { stdio: 'inherit', env }).status === 0)
}

if (process.argv[1] === import.meta.filename) {
  const built = await build().catch((error) => console.error(error.message))
  process.exit(built === true ? 0 : 1)
}
