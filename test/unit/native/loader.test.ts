import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { UnsupportedError } from '../../../src/core/errors.js'
import { VERSION } from '../../../src/core/version.js'

let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'netplane-loader-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  vi.resetModules()
})

/** Writes a module that stands in for the addon, and points the loader at it. */
async function standIn(name: string, text: string): Promise<void> {
  const file = path.join(folder, name)
  await writeFile(file, text)
  vi.stubEnv('NETPLANE_ADDON_PATH', file)
}

/** Loads by a fresh copy of the loader; returns the error. */
async function failure(): Promise<UnsupportedError> {
  const { loadAddon } = await import('../../../src/native/index.js')
  try {
    loadAddon()
  } catch (error) {
    expect(error).toBeInstanceOf(UnsupportedError)
    return error as UnsupportedError
  }
  throw new Error('it was loaded')
}

describe('the version', () => {
  test('is the one of package.json', () => {
    const manifest = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../../package.json'), 'utf8')) as { version: string }
    expect(VERSION).toBe(manifest.version)
  })
})

describe('loading the addon', () => {
  test('takes the file that NETPLANE_ADDON_PATH names, once', async () => {
    await standIn('counted.cjs', `globalThis.loads = (globalThis.loads ?? 0) + 1\nmodule.exports = { version: '${VERSION}' }`)
    const { loadAddon } = await import('../../../src/native/index.js')
    expect(loadAddon().version).toBe(VERSION)
    expect(loadAddon()).toBe(loadAddon())
    expect((globalThis as { loads?: number }).loads).toBe(1)
  })

  test('turns tracing on when NETPLANE_DEBUG names netlink', async () => {
    await standIn('traced.cjs', `exports.version = '${VERSION}'\nexports.setTrace = (enabled) => { globalThis.traced = enabled }`)
    vi.stubEnv('NETPLANE_DEBUG', 'other, netlink')
    const { loadAddon } = await import('../../../src/native/index.js')
    loadAddon()
    expect((globalThis as { traced?: boolean }).traced).toBe(true)
  })

  test('refuses an addon of another version, naming both', async () => {
    await standIn('other.cjs', `module.exports = { version: '9.9.9' }`)
    const error = await failure()
    expect(error.code).toBe('ERR_NETPLANE_ADDON')
    expect(error.message).toContain(`it is version 9.9.9, this is ${VERSION}`)
  })

  test('says what was tried and why it failed, numbers what helps, and keeps the cause', async () => {
    vi.stubEnv('NETPLANE_ADDON_PATH', path.join(folder, 'missing.node'))
    const error = await failure()
    expect(error.code).toBe('ERR_NETPLANE_ADDON')
    expect(error.message).toMatch(/tried NETPLANE_ADDON_PATH=.*missing\.node: Cannot find module/)
    expect(error.message).toMatch(/1\. build for linux(musl)?-\w+ from source.*build:native/)
    expect(error.message).toMatch(/2\. name a binary .*NETPLANE_ADDON_PATH/)
    expect((error.cause as NodeJS.ErrnoException).code).toBe('MODULE_NOT_FOUND')
  })

  test('says so when the file is no binary for this machine', async () => {
    await standIn('text.node', 'this is no shared object')
    const error = await failure()
    expect(error.message).toMatch(/text\.node: .*(file too short|invalid ELF header)/)
    expect((error.cause as NodeJS.ErrnoException).code).toBe('ERR_DLOPEN_FAILED')
  })

  test('names the C library that the binary needs', async () => {
    const message = "/lib/libc.so.6: version `GLIBC_2.38' not found (required by x.node)"
    await standIn('glibc.cjs', `throw Object.assign(new Error(${JSON.stringify(message)}), { code: 'ERR_DLOPEN_FAILED' })`)
    expect((await failure()).message).toMatch(/1\. use a system with GLIBC_2\.38 or newer/)
  })

  test('names the flags that forbid addons', async () => {
    await standIn('disabled.cjs', `throw Object.assign(new Error('disabled'), { code: 'ERR_DLOPEN_DISABLED' })`)
    expect((await failure()).message).toMatch(/1\. run node without --no-addons, and with --allow-addons/)
  })

  test('touches no file where the system is not Linux', async () => {
    await standIn('untouched.cjs', `globalThis.touched = true`)
    vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin')
    const error = await failure()
    expect(error.code).toBe('ERR_NETPLANE_PLATFORM')
    expect(error.message).toContain('darwin')
    expect(globalThis).not.toHaveProperty('touched')
  })

  test('touches no file where Node-API is too old for it, as loading would end the process', async () => {
    await standIn('too-new.cjs', `globalThis.touched = true`)
    vi.spyOn(process, 'versions', 'get').mockReturnValue({ ...process.versions, napi: '7' })
    const error = await failure()
    expect(error.message).toMatch(/needs Node-API 8; node \S+ has 7/)
    expect(globalThis).not.toHaveProperty('touched')
  })

  test('is not done by importing the module', async () => {
    vi.stubEnv('NETPLANE_ADDON_PATH', path.join(folder, 'missing.node'))
    await expect(import('../../../src/native/index.js')).resolves.toHaveProperty('loadAddon')
  })
})
