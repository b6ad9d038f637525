import { readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Daemon } from '../../../../examples/proxy/daemon.js'
import { ManifestFolder } from '../../../../examples/proxy/manifests/read.js'
import type { Piece } from '../../../../examples/proxy/manifests/types.js'
import { ManifestSource } from '../../../../examples/proxy/sources/manifests.js'
import { parseOptions } from '../../../../examples/proxy/options.js'
import { openPlane, readStateFile } from '../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'
import { makeFolder, manifest } from '../../../support/manifests.js'
import { freePort } from '../../../support/free-port.js'

it('that is asked to stop while it starts leaves no server and no watch behind', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
  const port = await freePort()
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const daemon = new Daemon(
    plane,
    new ManifestSource(folder, new ManifestFolder(folder)),
    parseOptions(['--manifests', folder, '--listen', `127.0.0.1:${port}`]),
    pino({ level: 'silent' })
  )
  const started = daemon.start()
  await daemon.stop()
  await started
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow('fetch failed')
  expect(process.getActiveResourcesInfo()).not.toContain('FSEventWrap')
})

it('answers load balancers by what the kernel holds, also while a file cannot be understood, and no more once it has stopped', async () => {
  const folder = await makeFolder()
  const [port, healthPort] = [await freePort(), await freePort()]
  const local = `type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: ${healthPort},`
  const text = manifest('web', '10.96.0.1', '10.1.0.1')
    .replace('clusterIP', `${local} clusterIP`)
    .replace('[10.1.0.1]', '[10.1.0.1], nodeName: here')
  await writeFile(join(folder, 'web.yaml'), text)
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const options = parseOptions(['--manifests', folder, '--listen', `127.0.0.1:${port}`, '--node-name', 'here'])
  const daemon = new Daemon(plane, new ManifestSource(folder, new ManifestFolder(folder)), options, pino({ level: 'silent' }))
  const statusOf = async (of: number, path: string): Promise<number> => (await fetch(`http://127.0.0.1:${of}${path}`)).status
  await daemon.start()
  await vi.waitFor(async () => expect([await statusOf(port, '/healthz'), await statusOf(healthPort, '/')]).toEqual([200, 200]), 10_000)
  const node =
    'apiVersion: v1\nkind: Node\nmetadata: { name: here }\nspec: { taints: [{ key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule }] }'
  await writeFile(join(folder, 'node.yaml'), node)
  await vi.waitFor(async () => expect([await statusOf(port, '/healthz'), await statusOf(port, '/livez')]).toEqual([503, 200]), 10_000)
  await rm(join(folder, 'node.yaml'))
  await vi.waitFor(async () => expect(await statusOf(port, '/healthz')).toBe(200), 10_000)
  await writeFile(join(folder, 'web.yaml'), 'kind: Service\nmetadata: { name: we')
  await vi.waitFor(async () => expect([await statusOf(port, '/healthz'), await statusOf(healthPort, '/')]).toEqual([503, 200]), 10_000)
  await daemon.stop()
  await expect(statusOf(healthPort, '/')).rejects.toThrow('fetch failed')
})

it('logs each problem once, however often the folder is read', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'web.yaml'), 'kind: [')
  const lines: string[] = []
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) })
  const daemon = new Daemon(
    plane,
    new ManifestSource(folder, new ManifestFolder(folder)),
    parseOptions(['--manifests', folder, '--listen', 'off']),
    log
  )
  await daemon.start()
  onTestFinished(() => daemon.stop())
  const toldOf = (): unknown[] => lines.map((line) => (JSON.parse(line) as { file: string }).file)
  expect(toldOf()).toEqual(['web.yaml'])
  await writeFile(join(folder, 'dns.yaml'), 'kind: [')
  await vi.waitFor(() => expect(toldOf()).toEqual(['web.yaml', 'dns.yaml']), 10_000)
})

it('logs what is in quarantine once, however often it is tried', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'a.yaml'), manifest('a', '10.96.0.1', '10.1.0.1'))
  await writeFile(join(folder, 'thief.yaml'), manifest('thief', '10.96.0.1', '10.1.0.2'))
  const lines: string[] = []
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const update = vi.spyOn(plane, 'update')
  const daemon = new Daemon(
    plane,
    new ManifestSource(folder, new ManifestFolder(folder)),
    parseOptions(['--manifests', folder, '--listen', 'off']),
    pino({ level: 'info' }, { write: (line: string) => lines.push(line) })
  )
  await daemon.start()
  onTestFinished(() => daemon.stop())
  const synced = (): string[] => lines.filter((line) => line.includes('"msg":"synced"'))
  await vi.waitFor(() => expect(synced()).toHaveLength(1), 10_000)
  expect(synced()[0]).toContain('"service":"default/thief:80"')
  await writeFile(join(folder, 'thief.yaml'), manifest('thief', '10.96.0.1', '10.1.0.3'))
  await vi.waitFor(() => expect(update.mock.settledResults).toMatchObject([{ type: 'fulfilled', value: { requests: 0 } }]), 10_000)
  await writeFile(join(folder, 'thief.yaml'), manifest('thief', '10.96.0.2', '10.1.0.3'))
  await vi.waitFor(() => expect(synced()).toHaveLength(2), 10_000)
  expect(synced()[1]).toContain('"quarantined":[]')
})

it('says why the kernel does not have what the folder says', async () => {
  const folder = await makeFolder()
  const port = await freePort()
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  vi.spyOn(plane, 'sync').mockRejectedValueOnce(new Error('table ip netplane is not ours'))
  const options = parseOptions(['--manifests', folder, '--listen', `127.0.0.1:${port}`])
  const daemon = new Daemon(plane, new ManifestSource(folder, new ManifestFolder(folder)), options, pino({ level: 'silent' }))
  await daemon.start()
  onTestFinished(() => daemon.stop())
  const health = async (): Promise<unknown> => (await fetch(`http://127.0.0.1:${port}/healthz`)).json()
  expect(await health()).toMatchObject({ healthy: false, synced: false, sync: 'table ip netplane is not ours' })
  await vi.waitFor(async () => expect(await health()).toMatchObject({ healthy: true, synced: true }), 10_000)
  expect(await health()).not.toHaveProperty('sync')
})

it('that is asked to stop does not wait for what it reads, and writes nothing of it', async () => {
  const path = await makeFolder()
  await writeFile(join(path, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
  let parsed: ((pieces: readonly Piece[]) => void) | undefined
  const parse = (): Promise<readonly Piece[]> => new Promise((resolve) => (parsed = resolve))
  const folder = new ManifestFolder(path, () => ({ parse, close: () => undefined }))
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const sync = vi.spyOn(plane, 'sync')
  const daemon = new Daemon(
    plane,
    new ManifestSource(path, folder),
    parseOptions(['--manifests', path, '--listen', 'off']),
    pino({ level: 'silent' })
  )
  const started = daemon.start()
  await vi.waitFor(() => expect(parsed).toBeDefined())
  await daemon.stop()
  parsed!([{ documents: 1, objects: [], problems: [], isBroken: false }])
  await started
  expect(sync).not.toHaveBeenCalled()
})

it('begins with the services that its predecessor kept, and passes over a damaged file', async () => {
  const folder = await makeFolder()
  const state = join(await makeFolder(), 'services')
  await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
  const lines: { msg: string; added?: number }[] = []
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line) as { msg: string }) })
  /** Runs a daemon on a machine that was just started; what it logs of the state. */
  const run = async (cleanup = false): Promise<string[]> => {
    lines.length = 0
    const options = parseOptions(['--manifests', folder, '--listen', 'off', '--state', state])
    const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() }, stateFile: options.state })
    const daemon = new Daemon(plane, new ManifestSource(folder, new ManifestFolder(folder)), options, log)
    await daemon.start()
    await vi.waitFor(() => expect(plane.status().services).toBe(1), 10_000)
    await daemon.stop({ cleanup })
    return lines.map(({ msg }) => msg).filter((msg) => msg.includes('saved state'))
  }
  expect(await run()).toEqual([])
  // The folder cannot be understood yet: what was saved is served.
  await writeFile(join(folder, 'web.yaml'), 'kind: Service\nmetadata: { name: we')
  expect(await run()).toEqual(['began with the saved state'])
  await writeFile(state, 'rubbish\n')
  await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
  expect(await run()).toEqual(['the saved state is passed over'])
  expect([...(await readStateFile(state))!.keys()]).toEqual(['default/web:80'])
  // A clean-up leaves nothing of either file.
  await writeFile(`${state}.node`, '{}')
  await run(true)
  expect(await readdir(dirname(state))).toEqual([])
})
