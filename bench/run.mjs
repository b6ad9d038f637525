// `npm run bench`: bundles the bench's own TypeScript, which measures the built package in dist/, and runs it, here or in a machine of the lab.
// See bench/main.ts.
import { existsSync } from 'node:fs'
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
  entry: { main: path.join(root, 'bench/main.ts'), child: path.join(root, 'bench/child.ts') },
  outDir: path.join(root, 'node_modules/.cache/netplane-bench/js'),
  format: ['esm'],
  outExtension: () => ({ js: '.mjs' }),
  target: 'node20.19',
  platform: 'node',
  splitting: false,
  clean: true
})
const argv = process.argv.slice(2)
const at = argv.indexOf('--lab')
if (at < 0) {
  await import('./start.mjs')
} else {
  const [, machine] = argv.splice(at, 2)
  const { runInLab } = await import('../tools/lab/run.mjs')
  const command = [process.execPath, path.join(root, 'bench/start.mjs'), ...argv]
  const env = { ...process.env, NETPLANE_BENCH_LAB: machine }
  process.exitCode = await runInLab(machine ?? '', command, { timeoutSeconds: 3600, memoryMegabytes: 4096, env })
}
