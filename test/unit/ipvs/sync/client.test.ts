import { describe, expect, it } from 'vitest'
import { ClosedError, type TransactionError } from '../../../../src/core/errors.js'
import type { DesiredService } from '../../../../src/ipvs/sync/types.js'
import { FakeIpvsKernel } from '../../../../src/testing/ipvs/kernel.js'
import { rejection } from '../../../support/rejection.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const first = { address: '10.1.0.1', port: 8080 } as const
const second = { address: '10.1.0.2', port: 8080 } as const
const both: DesiredService = { ...web, scheduler: 'rr', realServers: [first, second] }

describe('the client', () => {
  it('syncs, and has nothing more to do', async () => {
    await using ipvs = await new FakeIpvsKernel().open()
    const report = await ipvs.sync([both, { fwmark: 4 }])
    expect(report).toMatchObject({ services: { added: 2 }, realServers: { added: 2 }, failed: [], draining: [] })
    expect(report.systemCalls).toBeGreaterThan(0)
    expect(report.durationMs).toBeGreaterThan(0)
    expect(String(await ipvs.plan([both, { fwmark: 4 }]))).toBe('nothing to do')
    expect(await ipvs.list({ statistics: false })).toMatchObject([
      { ...web, realServers: [second, first] },
      { fwmark: 4, realServers: [] }
    ])
  })

  it('names the module of a scheduler that the kernel lacks, and undoes the rest', async () => {
    await using ipvs = await new FakeIpvsKernel({ schedulers: ['wlc'] }).open()
    const error = await rejection<TransactionError>(ipvs.sync([{ fwmark: 4 }, { ...web, scheduler: 'mh' }], { onError: 'atomic' }))
    expect(error).toMatchObject({ code: 'ERR_NETPLANE_TRANSACTION', undone: ['add service fwmark 4'], applied: [], unknown: [], lost: [] })
    expect(error.message).toContain('modprobe ip_vs_mh')
    expect(error.errors).toMatchObject([{ code: 'ENOENT', operation: 'ipvs.sync', subject: 'service tcp 10.96.0.1:80' }])
    expect(await ipvs.list()).toEqual([])
    const report = await ipvs.sync([{ fwmark: 4 }, { ...web, scheduler: 'mh' }])
    expect(report).toMatchObject({ services: { added: 1 }, failed: [{ service: web, errors: [{ code: 'ENOENT' }] }] })
  })

  it('drains, lists what drains, and removes it', async () => {
    const kernel = new FakeIpvsKernel()
    await using ipvs = await kernel.open()
    await ipvs.sync([both])
    kernel.setConnections(web, second, { active: 2 })
    await ipvs.sync([{ ...both, realServers: [first] }])
    expect(ipvs.listDraining()).toMatchObject([{ service: web, ...second, activeConnections: 2 }])
    const drainer = ipvs.startDrainer({ intervalMs: 10 })
    kernel.setConnections(web, second, {})
    expect((await drainer.next()).value).toMatchObject({ type: 'removed', server: { ...second, reason: 'idle' } })
    expect(ipvs.listDraining()).toEqual([])
    expect(await ipvs.listRealServers(web)).toMatchObject([first])
    await ipvs.close()
    expect(await drainer.next()).toMatchObject({ done: true })
    await expect(ipvs.sync([])).rejects.toBeInstanceOf(ClosedError)
  })

  it('reads the setting that keeps persistent clients coming', async () => {
    const kernel = new FakeIpvsKernel()
    await using ipvs = await kernel.open()
    const persistent: DesiredService = { ...both, persistence: {} }
    await ipvs.sync([persistent])
    kernel.setConnections(web, second, { active: 2 })
    const plan = await ipvs.plan([{ ...persistent, realServers: [first] }])
    expect(plan.notes).toEqual([expect.stringContaining('expire_quiescent_template')])
  })

  it('syncs and other calls take turns', async () => {
    await using ipvs = await new FakeIpvsKernel().open()
    const listed = ipvs.sync([both]).then(async () => await ipvs.listServices())
    const [, early, late] = await Promise.all([ipvs.sync([{ fwmark: 1 }]), ipvs.listServices(), listed])
    expect(early).toMatchObject([{ fwmark: 1 }])
    expect(late).toMatchObject([{ fwmark: 1 }])
  })

  it('stops before anything is sent when the signal has aborted', async () => {
    await using ipvs = await new FakeIpvsKernel().open()
    await expect(ipvs.sync([both], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(await ipvs.list()).toEqual([])
  })
})
