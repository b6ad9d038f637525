import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openPlane, readStateFile, type PlaneEvent, type Service, type Services } from '../../../../src/index.js'
import { writeServices } from '../../../../src/plane/state/file.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'
import { rejection } from '../../../support/rejection.js'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-state-'))
  file = path.join(folder, 'services')
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

const service = (index: number): Service => ({
  name: `ns/web-${index}:http`,
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: `10.96.${index >> 8}.${index & 255}`, port: 80 }],
  endpoints: [{ address: '10.244.0.1', port: 8080, local: true, weight: 2 }],
  affinity: { timeoutSeconds: 60 }
})

const mapOf = (...services: Service[]): Services => new Map(services.map((one) => [one.name, one]))

const openWith = (kernel: FakeNftablesKernel, options: { stateFile?: string } = { stateFile: file }) =>
  openPlane({ mode: 'nftables', kernel: { nftables: kernel }, auditMs: 0, ...options })

describe('a file of services', () => {
  it('is read as it was written, and only its owner may read it', async () => {
    const services = Array.from({ length: 3000 }, (_, index) => service(index))
    await writeServices(file, services)
    expect(await readStateFile(file)).toEqual(mapOf(...services))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['services'])
  })

  it('may hold no service', async () => {
    await writeServices(file, [])
    expect(await readStateFile(file)).toEqual(new Map())
  })

  it('that is not there holds nothing', async () => {
    expect(await readStateFile(file)).toBeUndefined()
  })

  it('with a byte changed, anywhere, is damaged', async () => {
    await writeServices(file, [service(1), service(2)])
    const whole = readFileSync(file)
    for (let index = 0; index < whole.length; index++) {
      const damaged = Buffer.from(whole)
      damaged[index]! ^= 1
      writeFileSync(file, damaged)
      expect(await rejection(readStateFile(file)), `byte ${index}`).toMatchObject({ code: 'ERR_NETPLANE_STATE_FILE' })
    }
  })

  it('that ends anywhere before its end is damaged', async () => {
    await writeServices(file, [service(1), service(2)])
    const whole = readFileSync(file)
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(file, whole.subarray(0, length))
      expect(await rejection(readStateFile(file)), `${length} bytes`).toMatchObject({ code: 'ERR_NETPLANE_STATE_FILE' })
    }
  })

  it('of another version is named', async () => {
    await writeServices(file, [service(1)])
    writeFileSync(file, readFileSync(file, 'utf8').replace('"version":1', '"version":9'))
    expect(await rejection(readStateFile(file))).toMatchObject({ message: `${file}: has version 9, and 1 is known` })
  })

  it('that cannot be read or written is named, with the error of the file system', async () => {
    expect(await rejection(readStateFile(folder))).toMatchObject({ code: 'ERR_NETPLANE_STATE_FILE', cause: { code: 'EISDIR' } })
    expect(await rejection(writeServices(path.join(folder, 'none', 'services'), []))).toMatchObject({ cause: { code: 'ENOENT' } })
  })

  it('is not written through a link that somebody has left', async () => {
    const other = path.join(folder, 'other')
    writeFileSync(other, 'theirs')
    symlinkSync(other, `${file}.new`)
    await writeServices(file, [service(1)])
    expect(readFileSync(other, 'utf8')).toBe('theirs')
    expect(await readStateFile(file)).toEqual(mapOf(service(1)))
  })

  it('may be read by its owner alone, also where somebody has left one that all may read', async () => {
    writeFileSync(`${file}.new`, '')
    chmodSync(`${file}.new`, 0o666)
    await writeServices(file, [])
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('that is a pipe is refused, and one that somebody has left is not waited for', async () => {
    execFileSync('mkfifo', [file, `${file}.new`])
    expect(await rejection(readStateFile(file))).toMatchObject({
      code: 'ERR_NETPLANE_STATE_FILE',
      message: `${file}: cannot be read: it is no regular file`
    })
    await writeServices(file, [service(1)])
    expect(await readStateFile(file)).toEqual(mapOf(service(1)))
  })

  it('is whole where two write it at the same time, and the last one stays', async () => {
    const many = Array.from({ length: 3000 }, (_, index) => service(index))
    await Promise.all([writeServices(file, many), writeServices(file, [service(1)])])
    expect(await readStateFile(file)).toEqual(mapOf(service(1)))
    expect(readdirSync(folder)).toEqual(['services'])
  })

  it('is not replaced by what another process has put in the place of what was written', async () => {
    const many = Array.from({ length: 30_000 }, (_, index) => service(index))
    const writing = rejection(writeServices(file, many))
    await vi.waitFor(() => statSync(`${file}.new`))
    rmSync(`${file}.new`)
    writeFileSync(`${file}.new`, 'half of')
    expect(await writing).toMatchObject({ message: `${file}: cannot be written: another process writes it, too` })
    expect(readdirSync(folder)).toEqual(['services.new'])
  })

  it('has a path', async () => {
    for (const wrong of ['', 'a\0b', 7, 'x'.repeat(5000)])
      expect(await rejection(readStateFile(wrong as string))).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path: 'file' })
    expect(await rejection(openWith(new FakeNftablesKernel(), { stateFile: '' }))).toMatchObject({ path: 'stateFile' })
  })
})

describe('a plane with option stateFile', () => {
  it('leaves what it holds to its successor', async () => {
    const plane = await openWith(new FakeNftablesKernel())
    await plane.sync(mapOf(service(1), service(2)))
    await plane.update({ set: [service(3)], delete: [service(1).name] })
    await plane.close()
    const saved = await readStateFile(file)
    expect(saved).toEqual(mapOf(service(2), service(3)))

    const rebooted = new FakeNftablesKernel()
    const next = await openWith(rebooted)
    const report = await next.sync(saved!)
    expect(report.services.added).toBe(2)
    await next.close()
  })

  it('writes while it is open, too, many changes at a time', async () => {
    const plane = await openWith(new FakeNftablesKernel())
    await plane.sync(mapOf(service(1)))
    await expect.poll(() => readStateFile(file)).toEqual(mapOf(service(1)))
    for (let index = 2; index < 50; index++) await plane.update({ set: [service(index)] })
    expect((await readStateFile(file))!.size).toBeLessThan(49)
    await expect.poll(async () => (await readStateFile(file))!.size, { timeout: 5000 }).toBe(49)
    await plane.close()
  })

  it('does not keep services of an earlier process that are desired no longer', async () => {
    await writeServices(file, [service(1)])
    const plane = await openWith(new FakeNftablesKernel())
    await plane.sync(new Map())
    await plane.close()
    expect(await readStateFile(file)).toEqual(new Map())
  })

  it('leaves the file of an earlier process alone before its first sync', async () => {
    await writeServices(file, [service(1)])
    const plane = await openWith(new FakeNftablesKernel())
    await plane.close()
    expect(await readStateFile(file)).toEqual(mapOf(service(1)))
  })

  it('leaves out services in quarantine', async () => {
    const plane = await openWith(new FakeNftablesKernel())
    await plane.sync(mapOf(service(1), { ...service(2), protocol: 'icmp' as 'tcp' }))
    await plane.close()
    expect(await readStateFile(file)).toEqual(mapOf(service(1)))
  })

  it('removes the file with what is in the kernel', async () => {
    const plane = await openWith(new FakeNftablesKernel())
    await plane.sync(mapOf(service(1)))
    await plane.close({ cleanup: true })
    expect(readdirSync(folder)).toEqual([])
  })

  it('says when the file cannot be written, and goes on', async () => {
    // Only the end writes: what is written while the plane is open waits for a timer.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const plane = await openWith(new FakeNftablesKernel(), { stateFile: path.join(folder, 'none', 'services') })
    const events: PlaneEvent[] = []
    const watching = (async () => {
      for await (const event of plane.watch()) events.push(event)
    })()
    await plane.sync(mapOf(service(1)))
    await plane.close()
    await watching
    expect(events).toMatchObject([{ type: 'error', error: { code: 'ERR_NETPLANE_STATE_FILE', cause: { code: 'ENOENT' } } }])
  })
})
