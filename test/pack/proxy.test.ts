import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inNamespace } from '../run/namespace.mjs'
import { installPacked, packAndInstall, type Installed } from '../support/installed.js'
import { manifest } from '../support/manifests.js'
import { run } from '../support/run.js'

const root = path.resolve(import.meta.dirname, '../..')

let installed: Installed
let made: string
let files: string[]
beforeAll(async () => {
  installed = await installPacked()
  made = await mkdtemp(path.join(os.tmpdir(), 'netplane-proxy-package-'))
  await run(process.execPath, [path.join(root, 'examples/proxy/deploy/package.mjs'), made], { timeoutMs: 120_000 })
  files = (await packAndInstall(made, installed.folder)).files.map((file) => file.path).sort()
}, 300_000)
afterAll(async () => {
  await installed.remove()
  await rm(made, { recursive: true, force: true })
})

const readJson = async (file: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>

describe('the packed package of the proxy', () => {
  test('holds the proxy, its parser and the licences of what is in them', async () => {
    expect(files).toEqual(['LICENCES.txt', 'LICENSE', 'README.md', 'package.json', 'proxy-parser.js', 'proxy.js'])
    const licences = await readFile(path.join(made, 'LICENCES.txt'), 'utf8')
    for (const name of ['pino', 'prom-client', 'undici', 'yaml']) expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'))
  })

  test('asks for the library of its own version, and for nothing else', async () => {
    const { version } = await readJson(path.join(root, 'package.json'))
    const own = await readJson(path.join(installed.folder, 'node_modules/netplane-proxy/package.json'))
    expect(own).toMatchObject({ version, dependencies: { netplane: version } })
    expect((await run('ls', [path.join(installed.folder, 'node_modules')])).split('\n')).toEqual(['netplane', 'netplane-proxy', ''])
    // It is the library that is installed which the program uses, and no copy of it.
    const text = await readFile(path.join(made, 'proxy.js'), 'utf8')
    expect(text).toMatch(/from ['"]netplane['"]/)
  })

  test('runs by npx, and writes services into the kernel', async () => {
    const shell = async (script: string): Promise<string> => {
      const [name, ...args] = inNamespace(['bash', '-c', `cd '${installed.folder}'; ${script}`])
      return await run(name!, args, { timeoutMs: 60_000 })
    }
    const { version } = await readJson(path.join(root, 'package.json'))
    expect(await shell('npx --offline netplane-proxy --version')).toBe(`netplane ${String(version)}\n`)
    // So large that the program of the parser is needed.
    await run('mkdir', [path.join(installed.folder, 'manifests')])
    await installed.write('manifests/web.yaml', `${manifest('web', '10.96.0.1', '10.1.0.1')}\n# ${'x'.repeat(100_000)}\n`)
    const shown = await shell(`
      node_modules/.bin/netplane-proxy --manifests manifests --listen off --cleanup >log &
      until grep -q '"msg":"synced"' log || ! kill -0 $!; do sleep 0.1; done
      node_modules/.bin/netplane show
      kill $!; wait $!; echo "status $?"
      node_modules/.bin/netplane show`)
    expect(shown).toMatch(/10\.96\.0\.1:80 +10\.1\.0\.1:8080[^]*\nstatus 0\n[^]*no services of a plane\.\n$/)
  })
})
