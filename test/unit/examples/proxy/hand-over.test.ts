import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Daemon, type Inheritance } from '../../../../examples/proxy/daemon.js'
import { ManifestFolder } from '../../../../examples/proxy/manifests/read.js'
import { parseOptions, type ProxyOptions } from '../../../../examples/proxy/options.js'
import { ManifestSource } from '../../../../examples/proxy/sources/manifests.js'
import { openPlane, UnsupportedError, type Plane, type PlaneOptions } from '../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'
import { freePort } from '../../../support/free-port.js'
import { makeFolder, manifest } from '../../../support/manifests.js'

interface Scene {
  readonly kernel: { readonly nftables: FakeNftablesKernel }
  readonly folder: string
  readonly plane: Plane
  readonly daemon: Daemon
  /** A daemon of another mode, which is told of the same folder, or of another one. */
  readonly successor: (inherited: Inheritance, folder?: string) => Daemon
  readonly optionsOf: (mode: string) => ProxyOptions
  readonly health: () => Promise<Record<string, unknown>>
}

const planeOptions = (mode: 'iptables' | 'nftables', kernel: Scene['kernel']): PlaneOptions => ({ mode, kernel, staleFlows: false })

/** A daemon of mode nftables that has served. */
async function makeScene(): Promise<Scene> {
  const kernel = { nftables: new FakeNftablesKernel() }
  const folder = await makeFolder()
  await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
  const port = await freePort()
  const plane = await openPlane(planeOptions('nftables', kernel))
  const optionsOf = (mode: string): ProxyOptions => parseOptions(['--manifests', folder, '--listen', `127.0.0.1:${port}`, '--mode', mode])
  const make = (of: Plane, mode: string, inherited?: Inheritance, from = folder): Daemon => {
    const source = new ManifestSource(from, new ManifestFolder(from))
    return new Daemon(of, source, optionsOf(mode), pino({ level: 'silent' }), { inherited })
  }
  const daemon = make(plane, 'nftables')
  onTestFinished(() => daemon.stop())
  await daemon.start()
  await daemon.synced
  return {
    ...{ kernel, folder, plane, daemon, optionsOf },
    successor: (inherited, from) => {
      const next = make(inherited.plane, 'iptables', inherited, from)
      onTestFinished(() => next.stop())
      return next
    },
    health: async () => (await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()) as Record<string, unknown>
  }
}

const tablesOf = async ({ kernel }: Scene): Promise<string[]> => {
  await using nft = await kernel.nftables.open()
  return (await nft.list()).tables.map(({ name }) => name).sort()
}

it('hands the plane over to a daemon of another mode, which follows the folder', async () => {
  const scene = await makeScene()
  const { daemon, kernel, plane, folder, successor, health } = scene
  const inherited = await daemon.handOver(planeOptions('iptables', kernel))
  expect([...inherited.services.keys()]).toEqual(['default/web:80'])
  await expect(health()).rejects.toThrow('fetch failed')
  // It has nothing to stop any more.
  await daemon.stop()
  const next = successor(inherited)
  await next.start()
  expect(await health()).toMatchObject({ healthy: true, synced: true, services: 1 })
  expect(plane.status().details.mode).toBe('iptables')
  expect(await tablesOf(scene)).not.toContain('netplane')
  await writeFile(join(folder, 'dns.yaml'), manifest('dns', '10.96.0.2', '10.1.0.2'))
  await vi.waitFor(() => expect(plane.status().services).toBe(2), 10_000)
})

it('keeps the services until the successor understands its source, also over a second hand-over', async () => {
  const { daemon, kernel, plane, successor } = await makeScene()
  const broken = await makeFolder()
  await writeFile(join(broken, 'web.yaml'), 'kind: Service\nmetadata: { name: we')
  const next = successor(await daemon.handOver(planeOptions('iptables', kernel)), broken)
  await next.start()
  await next.synced
  expect(plane.status().services).toBe(1)
  const { services } = await next.handOver(planeOptions('nftables', kernel))
  expect([...services.keys()]).toEqual(['default/web:80'])
  await plane.close()
})

it('goes on where the new mode cannot be had, and says why', async () => {
  const scene = await makeScene()
  const { daemon, kernel, plane, folder, health } = scene
  const before = await tablesOf(scene)
  vi.spyOn(plane, 'switchTo').mockRejectedValueOnce(new UnsupportedError('ip_vs', 'mode ipvs is missing'))
  await expect(daemon.handOver(planeOptions('iptables', kernel))).rejects.toThrow(UnsupportedError)
  daemon.refuse(new Error('mode ipvs is missing'))
  expect(await health()).toMatchObject({ healthy: true, configuration: 'mode ipvs is missing' })
  expect(await tablesOf(scene)).toEqual(before)
  await writeFile(join(folder, 'dns.yaml'), manifest('dns', '10.96.0.2', '10.1.0.2'))
  await vi.waitFor(() => expect(plane.status().services).toBe(2), 10_000)
  daemon.refuse(undefined)
  expect(await health()).not.toHaveProperty('configuration')
})

it('that is asked to stop while the plane changes its mode closes it, and hands nothing over', async () => {
  const scene = await makeScene()
  const { daemon, kernel, plane } = scene
  const handing = daemon.handOver(planeOptions('iptables', kernel)).catch((error: unknown) => (error as Error).message)
  await daemon.stop()
  expect(await handing).toBe('the proxy was asked to stop')
  await expect(plane.sync(new Map())).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
  // The switch was led to its end: the rules of one mode are there.
  expect(await tablesOf(scene)).not.toContain('netplane')
  expect(await tablesOf(scene)).toContain('nat')
})

it('hands over only what it has, to another mode in the same network namespace', async () => {
  const { daemon, optionsOf } = await makeScene()
  expect(daemon.mayHandOver(optionsOf('iptables'))).toBe(true)
  expect(daemon.mayHandOver(optionsOf('nftables'))).toBe(false)
  expect(daemon.mayHandOver({ ...optionsOf('iptables'), netns: 'other' })).toBe(false)
  await daemon.stop()
  expect(daemon.mayHandOver(optionsOf('iptables'))).toBe(false)
})

it('tells of connections that wait for their end', async () => {
  const { plane, health } = await makeScene()
  const leaving = [{ mode: 'userspace', name: 'netplane', connections: 2, remainingMs: 1000 }] as const
  vi.spyOn(plane, 'status').mockReturnValue({ ...plane.status(), leaving })
  expect(await health()).toMatchObject({ leaving })
})
