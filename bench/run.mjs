// `npm run bench`: bundles the bench's own TypeScript, which measures the built package in dist/, and runs it, here or in a machine of the lab.
// See bench/main.ts.
import { existsSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { build } from 'tsup'

const root = path.resolve(import.meta.dirname, '..')
const missing = ['dist/index.js', 'build/Release/netplane.node'].filter((file) => !existsSync(path.join(root, file)))
if (missing.length > 0) {
  console.error(`bench: ${missing.join(' and ')} missing: run \`npm run build\` first`)
  process.exit(1)
}
await build({
  config: false,
  silent: true,
  entry: Object.fromEntries(['main', 'child', 'relay', 'proxy'].map((name) => [name, path.join(root, `bench/${name}.ts`)])),
  outDir: path.join(root, 'node_modules/.cache/netplane-bench/js'),
  format: ['esm'],
  outExtension: () => ({ js: '.mjs' }),
  target: 'node20.19',
  platform: 'node',
  external: ['yaml'],
  splitting: false,
  clean: true
})
const argv = process.argv.slice(2)

/** Takes an option and its values out of the arguments. */
function take(name, values) {
  const at = argv.indexOf(name)
  return at < 0 ? [] : argv.splice(at, 1 + values)
}

const [lab, machine = ''] = take('--lab', 1)
if (lab === undefined) {
  await import('./start.mjs')
} else {
  const counted = take('--counted', 0)
  const { runInLab } = await import('../tools/lab/run.mjs')
  const command = [process.execPath, path.join(root, 'bench/start.mjs'), ...argv]
  // A machine of the lab is as fast as what it runs on, and as what else runs there, unless its clock counts instructions.
  const load = os.loadavg().map((value) => value.toFixed(2))
  const clock = counted.length > 0 ? '; its clock counts a nanosecond for each instruction' : ''
  const env = {
    ...process.env,
    NETPLANE_BENCH_LAB: machine,
    NETPLANE_BENCH_WORDS: [lab, machine, ...counted].join(' '),
    NETPLANE_BENCH_HOST: `${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown'} with load average ${load.join(' ')} at the start${clock}`
  }
  const options = { timeoutSeconds: 3600, memoryMegabytes: 4096, isCounted: counted.length > 0, env }
  process.exitCode = await runInLab(machine, command, options)
}
