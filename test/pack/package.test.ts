import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inNamespace } from '../run/namespace.mjs'
import { run } from '../support/run.js'

const root = path.resolve(import.meta.dirname, '../..')
let folder = ''
let packed: readonly string[] = []

/** Runs a script in the folder where the package is installed; `argv` may add flags of node. */
function script(name: string, argv: readonly string[] = []): Promise<string> {
  return run(process.execPath, [...argv, path.join(folder, name)], { cwd: folder })
}

/** The same in a fresh network namespace. */
function scriptInNamespace(name: string): Promise<string> {
  const [command, ...args] = inNamespace([process.execPath, path.join(folder, name)])
  return run(command!, args, { cwd: folder })
}

const listsItsTable = `
  const nft = await Nftables.open()
  const tx = nft.transaction()
  tx.add.table({ family: 'inet', name: 'packed' })
  await tx.commit()
  console.log(JSON.stringify((await nft.listTables()).map((table) => table.name)))
  await nft.close()
`

const failsToOpen = `
  const { Nftables } = await import('netplane')
  try {
    await Nftables.open()
    console.log('opened')
  } catch (error) {
    console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message }))
  }
`

const scripts = {
  'import.mjs': `import { Nftables } from 'netplane'\n${listsItsTable}`,
  'require.cjs': `const { Nftables } = require('netplane')\nconst main = async () => {${listsItsTable}}\nmain()`,
  'both.mjs': `
    import { createRequire } from 'node:module'
    import * as esm from 'netplane'
    const cjs = createRequire(import.meta.url)('netplane')
    console.log(JSON.stringify({ esm: Object.keys(esm).sort(), cjs: Object.keys(cjs).sort() }))
    const [one, other] = [await esm.Nftables.open(), await cjs.Nftables.open()]
    await Promise.all([one.listTables(), other.listTables()])
    await one.close()
    await other.close()
  `,
  'testing.mjs': `import * as testing from 'netplane/testing'\nconsole.log(Object.keys(testing).length > 0)`,
  'darwin.mjs': `Object.defineProperty(process, 'platform', { value: 'darwin' })\n${failsToOpen}`,
  'riscv.mjs': `Object.defineProperty(process, 'arch', { value: 'riscv64' })\n${failsToOpen}`,
  'no-addons.mjs': failsToOpen
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'netplane-pack-'))
  const json = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  const [tarball] = JSON.parse(json) as [{ filename: string; files: { path: string }[] }]
  packed = tarball.files.map((file) => file.path).sort()
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }')
  for (const [name, text] of Object.entries(scripts)) await writeFile(path.join(folder, name), text)
  const install = ['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', path.join(folder, tarball.filename)]
  await run('npm', install, { cwd: folder, timeoutMs: 60_000 })
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('packed package', () => {
  test('holds the bundles, their types, the binary and its sources, and nothing else', () => {
    expect(packed).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'binding.gyp', 'dist/index.cjs', 'dist/index.d.cts']))
    expect(packed).toEqual(expect.arrayContaining(['dist/index.d.ts', 'dist/index.js', 'dist/testing.js', 'native/addon/module.cc']))
    expect(packed).toContain(`prebuilds/linux-${process.arch}.node`)
    const allowed = /^(LICENSE|(README|CHANGELOG|SECURITY)\.md|package\.json|binding\.gyp|(dist|prebuilds|native)\/.*)$/
    expect(packed.filter((file) => !allowed.test(file))).toEqual([])
    expect(packed.filter((file) => /^native\/(test|fuzz)\//.test(file))).toEqual([])
  })

  test('is installed without compiling, and depends on no other package', async () => {
    expect(existsSync(path.join(folder, 'node_modules/netplane/build'))).toBe(false)
    expect(await run('ls', [path.join(folder, 'node_modules')])).toBe('netplane\n')
  })

  test('is imported, loads its binary and lists a table', async () => {
    expect(JSON.parse(await scriptInNamespace('import.mjs'))).toEqual(['packed'])
  })

  test('is required, loads its binary and lists a table', async () => {
    expect(JSON.parse(await scriptInNamespace('require.cjs'))).toEqual(['packed'])
  })

  test('is imported and required in one process, with the same names, and both copies work', async () => {
    const names = JSON.parse(await scriptInNamespace('both.mjs')) as { esm: string[]; cjs: string[] }
    expect(names.esm).toContain('Nftables')
    expect(names.cjs).toEqual(names.esm)
  })

  test('has the entry point with the fakes', async () => {
    expect(await script('testing.mjs')).toBe('true\n')
  })
})

describe('packed package where it cannot work', () => {
  interface Thrown {
    readonly name: string
    readonly code: string
    readonly message: string
  }
  const thrown = async (name: string, argv: string[] = []): Promise<Thrown> => JSON.parse(await script(name, argv)) as Thrown

  test('is imported on macOS, and only opening a client fails, naming the platform', async () => {
    const error = await thrown('darwin.mjs')
    expect(error.name).toBe('UnsupportedError')
    expect(error.code).toBe('ERR_NETPLANE_PLATFORM')
    expect(error.message).toContain('darwin')
  })

  test('says which binary is missing on an architecture without one, and how to build it', async () => {
    const error = await thrown('riscv.mjs')
    expect(error.name).toBe('UnsupportedError')
    expect(error.message).toContain('linux-riscv64')
    expect(error.code).toBe('ERR_NETPLANE_ADDON')
    expect(error.message).toContain('node native/build.mjs')
  })

  test('names the flag that forbids addons', async () => {
    const error = await thrown('no-addons.mjs', ['--no-addons'])
    expect(error.name).toBe('UnsupportedError')
    expect(error.message).toContain('--no-addons')
  })
})
