import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inNamespace } from '../run/namespace.mjs'
import { installPacked, LISTS_ITS_TABLE, type Installed } from '../support/installed.js'
import { run } from '../support/run.js'

let installed: Installed
beforeAll(async () => {
  installed = await installPacked()
})
afterAll(() => installed.remove())

describe('packed package', () => {
  test('holds the bundles, their types, the binary and its sources, and nothing else', () => {
    const { files } = installed
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'binding.gyp', 'dist/index.cjs', 'dist/index.d.cts']))
    expect(files).toEqual(expect.arrayContaining(['dist/index.d.ts', 'dist/index.js', 'dist/testing.js', 'native/addon/module.cc']))
    expect(files).toContain(`prebuilds/linux-${process.arch}.node`)
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/cli.js',
        'dist/relay-worker.js',
        'dist/cli.LICENCES.txt',
        'docs/man/netplane.1',
        'schema/services.json'
      ])
    )
    const allowed =
      /^(LICENSE|(README|CHANGELOG|SECURITY)\.md|package\.json|binding\.gyp|docs\/man\/netplane\.1|schema\/services\.json|(dist|prebuilds|native)\/.*)$/
    expect(files.filter((file) => !allowed.test(file))).toEqual([])
    expect(files.filter((file) => /^native\/(test|fuzz)\//.test(file))).toEqual([])
  })

  test('is installed without compiling, and depends on no other package', async () => {
    const modules = path.join(installed.folder, 'node_modules')
    expect(existsSync(path.join(modules, 'netplane/build'))).toBe(false)
    expect(await run('ls', [modules])).toBe('netplane\n')
  })

  test('is imported, loads its binary and lists a table', async () => {
    const text = `import { Nftables } from 'netplane'\n${LISTS_ITS_TABLE}`
    expect(JSON.parse(await installed.scriptInNamespace('import.mjs', text))).toEqual(['packed'])
  })

  test('is required, loads its binary and lists a table', async () => {
    const text = `const { Nftables } = require('netplane')\nconst main = async () => {${LISTS_ITS_TABLE}}\nmain()`
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

describe('the program of the packed package', () => {
  const services = `services:
  - name: web
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`

  /** Runs a script of a shell in a fresh network namespace, in the folder in which the package is installed. */
  const shell = async (script: string, input = ''): Promise<string> => {
    const [name, ...args] = inNamespace(['bash', '-c', `cd '${installed.folder}'; ${script}`])
    return await run(name!, args, { input })
  }

  test('runs by npx, and looks at the kernel', async () => {
    expect(await shell('npx --offline netplane doctor --mode nftables')).toMatch(
      /nf_tables answers[^]*Mode nftables has all that it needs\.\n$/
    )
  })

  test('applies services that stay, and removes them', async () => {
    const output = await shell(
      'netplane=node_modules/.bin/netplane; $netplane apply - && $netplane show && $netplane cleanup && $netplane show',
      services
    )
    expect(output).toMatch(/\+ web[^]*10\.96\.0\.1:80 +10\.1\.0\.1:8080[^]*removed table ip netplane[^]*no services of a plane\.\n$/)
  })

  test('ends quietly when its reader goes away', async () => {
    const script = 'node_modules/.bin/netplane watch --interval 0.1 2>stderr | head -1; echo "${PIPESTATUS[0]}"; cat stderr; rm stderr'
    expect(await shell(script)).toMatch(/^Every 0\.1 s[^\n]*\n0\n$/)
  })

  test.each([
    ['INT', 0],
    ['TERM', 143]
  ])('is ended by SIG%s with status %d while it watches', async (signal, status) => {
    // Without job control bash has what runs in the background ignore SIGINT.
    const script = `
      set -m
      node_modules/.bin/netplane watch --interval 60 >output 2>&1 &
      pid=$!
      until grep -q ^Every output; do sleep 0.05; done
      kill -${signal} $pid
      wait $pid
      echo "status $?"
      cat output
      rm output`
    const output = await shell(script)
    expect(output.split('\n')[0]).toBe(`status ${status}`)
    expect(output.includes(`netplane: ended by SIG${signal}`)).toBe(status !== 0)
  })

  test('has the licences of what is bundled into it', async () => {
    const licences = await run('cat', [path.join(installed.folder, 'node_modules/netplane/dist/cli.LICENCES.txt')])
    for (const name of ['cli-table3', 'commander', 'yaml']) expect(licences).toMatch(new RegExp(`^${name} [\\d.]+ \\((?:MIT|ISC)\\)$`, 'm'))
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
