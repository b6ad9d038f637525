import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installPacked, type Installed } from '../support/installed.js'
import { run } from '../support/run.js'

let installed: Installed
beforeAll(async () => {
  installed = await installPacked()
})
afterAll(() => installed.remove())

const listsItsTable = `
  const nft = await Nftables.open()
  const tx = nft.transaction()
  tx.add.table({ family: 'inet', name: 'packed' })
  await tx.commit()
  console.log(JSON.stringify((await nft.listTables()).map((table) => table.name)))
  await nft.close()
`

describe('packed package', () => {
  test('holds the bundles, their types, the binary and its sources, and nothing else', () => {
    const { files } = installed
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'binding.gyp', 'dist/index.cjs', 'dist/index.d.cts']))
    expect(files).toEqual(expect.arrayContaining(['dist/index.d.ts', 'dist/index.js', 'dist/testing.js', 'native/addon/module.cc']))
    expect(files).toContain(`prebuilds/linux-${process.arch}.node`)
    const allowed = /^(LICENSE|(README|CHANGELOG|SECURITY)\.md|package\.json|binding\.gyp|(dist|prebuilds|native)\/.*)$/
    expect(files.filter((file) => !allowed.test(file))).toEqual([])
    expect(files.filter((file) => /^native\/(test|fuzz)\//.test(file))).toEqual([])
  })

  test('is installed without compiling, and depends on no other package', async () => {
    const modules = path.join(installed.folder, 'node_modules')
    expect(existsSync(path.join(modules, 'netplane/build'))).toBe(false)
    expect(await run('ls', [modules])).toBe('netplane\n')
  })

  test('is imported, loads its binary and lists a table', async () => {
    const text = `import { Nftables } from 'netplane'\n${listsItsTable}`
    expect(JSON.parse(await installed.scriptInNamespace('import.mjs', text))).toEqual(['packed'])
  })

  test('is required, loads its binary and lists a table', async () => {
    const text = `const { Nftables } = require('netplane')\nconst main = async () => {${listsItsTable}}\nmain()`
    expect(JSON.parse(await installed.scriptInNamespace('require.cjs', text))).toEqual(['packed'])
  })

  test('is imported and required in one process: same names, both copies work, and each knows the errors of the other', async () => {
    const text = `
      import { createRequire } from 'node:module'
      import * as esm from 'netplane'
      const cjs = createRequire(import.meta.url)('netplane')
      const [one, other] = [await esm.Nftables.open(), await cjs.Nftables.open()]
      await Promise.all([one.listTables(), other.listTables()])
      const error = await other.listChains({ table: 'absent', family: 'ip' }).then(() => undefined, (error) => error)
      await one.close()
      await other.close()
      const known = [error instanceof cjs.NetlinkError, error instanceof esm.NetlinkError, error instanceof esm.ClosedError]
      console.log(JSON.stringify({ esm: Object.keys(esm).sort(), cjs: Object.keys(cjs).sort(), known, code: error?.code }))
    `
    const printed = JSON.parse(await installed.scriptInNamespace('both.mjs', text)) as Record<string, unknown>
    expect(printed.esm).toContain('Nftables')
    expect(printed.cjs).toEqual(printed.esm)
    expect(printed).toMatchObject({ known: [true, true, false], code: 'ENOENT' })
  })

  test('has the entry point with the fakes', async () => {
    const text = "import * as testing from 'netplane/testing'\nconsole.log(Object.keys(testing).length > 0)"
    expect(await installed.script('testing.mjs', text)).toBe('true\n')
  })
})

describe('packed package where it cannot work', () => {
  const failsToOpen = `
    const { Nftables } = await import('netplane')
    const error = await Nftables.open().then(() => undefined, (error) => error)
    console.log(JSON.stringify({ name: error?.name, code: error?.code, message: error?.message }))
  `
  const thrown = async (name: string, prelude: string, flags: string[] = []): Promise<unknown> =>
    JSON.parse(await installed.script(name, `${prelude}\n${failsToOpen}`, flags))

  test('is imported on macOS, and only opening a client fails, naming the platform', async () => {
    const error = await thrown('darwin.mjs', "Object.defineProperty(process, 'platform', { value: 'darwin' })")
    const message = expect.stringContaining('darwin') as string
    expect(error).toEqual({ name: 'UnsupportedError', code: 'ERR_NETPLANE_PLATFORM', message })
  })

  test('says which binary is missing on an architecture without one, and how to build it', async () => {
    const error = await thrown('riscv.mjs', "Object.defineProperty(process, 'arch', { value: 'riscv64' })")
    const message = expect.stringMatching(/linux-riscv64[^]*npm run build:native/) as string
    expect(error).toEqual({ name: 'UnsupportedError', code: 'ERR_NETPLANE_ADDON', message })
  })

  test('names the flag that forbids addons', async () => {
    const error = await thrown('no-addons.mjs', '', ['--no-addons'])
    const message = expect.stringContaining('--no-addons') as string
    expect(error).toEqual({ name: 'UnsupportedError', code: 'ERR_NETPLANE_ADDON', message })
  })
})
