import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openPlane, readStateFile, type Service } from '../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'

const web: Service = {
  name: 'web',
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }]
}

it('a file that both modes have is kept, however its path is written', async () => {
  const stateFile = path.join(makeFolder(), 'services')
  const common = { kernel: { nftables: new FakeNftablesKernel() }, auditMs: 0 }
  const plane = await openPlane({ mode: 'nftables', stateFile: path.relative('.', stateFile), ...common })
  await plane.sync(new Map([[web.name, web]]))
  await plane.switchTo({ mode: 'iptables', stateFile, ...common })
  await plane.close()
  expect((await readStateFile(stateFile))?.size).toBe(1)
})

/** Of mode `nftables` only: iptables chooses at random. */
const hashed: Service = { ...web, name: 'hashed', scheduler: 'hash', frontends: [{ kind: 'cluster', address: '10.96.0.2', port: 80 }] }
const both = new Map([web, hashed].map((service) => [service.name, service]))

function makeFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-switch-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const namesIn = async (file: string): Promise<string[] | undefined> => {
  const services = await readStateFile(file)
  return services && [...services.keys()].sort()
}

describe('a switch that fails', () => {
  /** Fails at one request to the kernel. What an earlier process has left of the new mode is all that it needs, so that nothing is to be written. Undefined: there is no such request. */
  async function failAt(call: 'read' | 'list' | 'commit', at: number, files: { readonly old: string; readonly next: string }) {
    const kernel = { nftables: new FakeNftablesKernel() }
    const common = { kernel, auditMs: 0 }
    const left = await openPlane({ mode: 'iptables', ...common })
    await left.sync(both)
    await left.close()
    const plane = await openPlane({ mode: 'nftables', stateFile: files.old, ...common })
    await plane.sync(both)
    using fault = kernel.nftables.fail(call, { at, code: 'EPERM' })
    const outcome = await plane.switchTo({ mode: 'iptables', stateFile: files.next, ...common }, { onError: 'isolate' }).then(
      () => 'switched' as const,
      () => 'failed' as const
    )
    const hasMet = fault.met > 0
    fault.remove()
    await plane.close()
    return hasMet ? outcome : undefined
  }

  it.each(['services', 'other'])('leaves the file of the old mode, and none of the new one (%s)', async (next) => {
    let failed = 0
    for (const call of ['read', 'list', 'commit'] as const) {
      for (let at = 1; ; at++) {
        const folder = makeFolder()
        const files = { old: path.join(folder, 'services'), next: path.join(folder, next) }
        const outcome = await failAt(call, at, files)
        if (outcome === undefined) break
        if (outcome === 'switched') continue
        failed++
        expect(await namesIn(files.old), `${call} ${at}`).toEqual(['hashed', 'web'])
        expect(readdirSync(folder), `${call} ${at}`).toEqual(['services'])
      }
    }
    expect(failed).toBeGreaterThan(3)
  })
})

it.each(['services', 'other'])('a switch that ends leaves a file of what the new mode carries (%s)', async (next) => {
  const folder = makeFolder()
  const common = { kernel: { nftables: new FakeNftablesKernel() }, auditMs: 0 }
  const plane = await openPlane({ mode: 'nftables', stateFile: path.join(folder, 'services'), ...common })
  await plane.sync(both)
  await plane.switchTo({ mode: 'iptables', stateFile: path.join(folder, next), ...common }, { onError: 'isolate' })
  expect(await namesIn(path.join(folder, next))).toEqual(['web'])
  expect(readdirSync(folder)).toEqual([next])
  await plane.close()
  expect(await namesIn(path.join(folder, next))).toEqual(['web'])
})
