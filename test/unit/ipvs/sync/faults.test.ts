import { describe, expect, it } from 'vitest'
import { EINVAL, EPERM } from '../../../../src/core/errno.js'
import { NetlinkError, TransactionError } from '../../../../src/core/errors.js'
import type { DesiredService } from '../../../../src/ipvs/sync/types.js'
import type { RealServerSpec } from '../../../../src/ipvs/types.js'
import { Random } from '../../../support/random.js'
import { rejection } from '../../../support/rejection.js'
import { Rig, randomDesired } from '../../../support/ipvs-sync-rig.js'

const options = { owns: () => true, draining: { tcp: 'at-once', udp: 'at-once', fwmark: 'at-once' } } as const

/** A kernel with one state, and another to get to. */
async function twoStates(seed: number): Promise<{ rig: Rig; desired: DesiredService[]; operations: number; after: string }> {
  const random = new Random(seed)
  const before = randomDesired(random)
  const desired = randomDesired(random)
  const trial = new Rig()
  await trial.sync(before, options)
  const from = trial.kernel.operations
  await trial.sync(desired, options)
  const rig = new Rig()
  await rig.sync(before, options)
  return { rig, desired, operations: trial.kernel.operations - from, after: trial.kernel.dump() }
}

describe('atomic', () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed))('undoes everything, whichever operation is refused (seed %i)', async (seed) => {
    const { operations } = await twoStates(seed)
    for (let victim = 0; victim < operations; victim++) {
      const { rig, desired } = await twoStates(seed)
      const before = rig.kernel.dump()
      const first = rig.kernel.operations
      rig.kernel.fault = (operation) => (operation === first + victim ? EINVAL : undefined)
      const error = await rejection<TransactionError>(rig.sync(desired, options))
      expect(error).toBeInstanceOf(TransactionError)
      expect(error).toMatchObject({ applied: [], unknown: [], errors: [{ code: 'EINVAL' }] })
      expect(error.cause).toBe(error.errors[0])
      expect(rig.kernel.dump()).toBe(before)
      rig.kernel.fault = () => undefined
      await rig.sync(desired, options)
      expect((await rig.plan(desired, options)).isEmpty).toBe(true)
    }
  })

  it.each(Array.from({ length: 10 }, (_, seed) => seed))('ends before or after, whichever replies are lost (seed %i)', async (seed) => {
    const { operations, after } = await twoStates(seed)
    for (let victim = 0; victim < 2 * operations; victim++) {
      const { rig, desired } = await twoStates(seed)
      const before = rig.kernel.dump()
      const first = rig.kernel.operations
      rig.kernel.appliedParity = victim < operations ? 0 : 1
      let isLost = false
      rig.kernel.fault = (operation) => (!isLost && operation >= first + (victim % operations) ? ((isLost = true), 'lost') : undefined)
      const outcome = await rig.sync(desired, options).catch((error: unknown) => error as TransactionError)
      expect(isLost).toBe(true)
      if (outcome instanceof TransactionError) {
        expect(outcome).toMatchObject({ applied: [], unknown: [] })
        expect(rig.kernel.dump()).toBe(before)
      } else expect(rig.kernel.dump()).toBe(after)
    }
  })

  it('says what is unknown when the kernel cannot be read again, and leaves that alone', async () => {
    const rig = new Rig()
    await rig.sync([{ fwmark: 1 }])
    rig.kernel.fault = (_, text) => (text === 'add service fwmark 3' ? 'lost' : undefined)
    const { lists } = rig.kernel
    rig.kernel.listFault = () => {
      if (rig.kernel.lists > lists + 1) throw new Error('unreadable')
    }
    const error = await rejection<TransactionError>(rig.sync([{ fwmark: 1, scheduler: 'rr' }, { fwmark: 2 }, { fwmark: 3 }, { fwmark: 4 }]))
    expect(error).toMatchObject({
      applied: [],
      undone: ['update service fwmark 1', 'add service fwmark 2'],
      unknown: ['add service fwmark 3', 'add service fwmark 4']
    })
    expect(error.cause).toMatchObject({ message: 'unreadable' })
  })

  it('says what could not be undone', async () => {
    const rig = new Rig()
    rig.kernel.fault = (_, text) => (text === 'remove service fwmark 2' || text.startsWith('add real server') ? EINVAL : undefined)
    const error = await rejection<TransactionError>(
      rig.sync([{ fwmark: 1 }, { fwmark: 2 }, { fwmark: 3, realServers: [{ address: '10.1.0.1', port: 0 }] }])
    )
    expect(error).toMatchObject({
      applied: ['add service fwmark 2'],
      undone: ['add service fwmark 1', 'add service fwmark 3'],
      unknown: []
    })
    expect(error.errors.map(({ subject }) => subject)).toEqual(['real server 10.1.0.1:0 of fwmark 3', 'service fwmark 2'])
    expect([...rig.kernel.services.keys()]).toEqual(['fwmark 2'])
  })

  it('says what cannot come back, and puts real servers back in their order', async () => {
    const rig = new Rig()
    const realServers = [1, 2, 3].map((host) => ({ address: `10.1.0.${host}`, port: 0 }))
    await rig.sync([{ fwmark: 1, realServers }, { fwmark: 2, realServers }, { fwmark: 3 }])
    const order = [...rig.kernel.services.get('fwmark 2')!.servers.keys()]
    rig.kernel.fault = (_, text) => (text === 'remove service fwmark 3' ? EINVAL : undefined)
    const error = await rejection<TransactionError>(rig.sync([{ fwmark: 1, realServers: realServers.slice(1), draining: 'at-once' }]))
    expect(error.undone).toEqual(['remove real server 10.1.0.1:0 of fwmark 1', 'remove service fwmark 2'])
    expect(error.lost).toEqual([
      expect.stringContaining('real server 10.1.0.1:0'),
      expect.stringContaining('connections of its real servers')
    ])
    expect(error.message).toContain('2 removals came back without connections and statistics')
    expect([...rig.kernel.services.get('fwmark 2')!.servers.keys()]).toEqual(order)
  })

  it('goes no further than the phase with the refusal, and undoes in reverse order', async () => {
    const rig = new Rig()
    const server = (host: number): RealServerSpec => ({ address: `10.1.0.${host}`, port: 0 })
    await rig.sync([{ fwmark: 1, realServers: [server(1)] }, { fwmark: 2 }])
    rig.kernel.log.length = 0
    rig.kernel.fault = (_, text) => (text === 'add real server 10.1.0.4:0 of fwmark 3' ? EINVAL : undefined)
    const desired = [
      { fwmark: 1, scheduler: 'rr', realServers: [server(2)] },
      { fwmark: 3, realServers: [server(3), server(4)] }
    ]
    await rejection(rig.sync(desired, { draining: { fwmark: 'at-once' } }))
    const applied = [
      'update service fwmark 1',
      'add service fwmark 3',
      'add real server 10.1.0.2:0 of fwmark 1',
      'add real server 10.1.0.3:0 of fwmark 3'
    ]
    const inverse = applied.map((line) => line.replace('add', 'remove')).reverse()
    expect(rig.kernel.log).toEqual([...applied, ...inverse])
  })

  it('settles an update whose replies were lost', async () => {
    for (const appliedParity of [0, 1] as const) {
      const rig = new Rig()
      const servers = (weight: number): RealServerSpec[] => [1, 2].map((host) => ({ address: `10.1.0.${host}`, port: 0, weight }))
      await rig.sync([{ fwmark: 1, realServers: servers(1) }])
      const before = rig.kernel.dump()
      rig.kernel.appliedParity = appliedParity
      rig.kernel.fault = (_, text) =>
        text === 'update real server 10.1.0.1:0 of fwmark 1' && rig.kernel.operations < 5 ? 'lost' : undefined
      const error = await rejection<TransactionError>(rig.sync([{ fwmark: 1, realServers: servers(2) }]))
      expect(error).toMatchObject({
        applied: [],
        undone: [expect.stringContaining('update real server')],
        unknown: [],
        errors: [{ code: 'ENOBUFS' }]
      })
      expect(rig.kernel.dump()).toBe(before)
    }
  })

  it('passes on that nobody may change anything', async () => {
    const rig = new Rig()
    rig.kernel.fault = () => EPERM
    const error = await rejection<NetlinkError>(rig.sync([{ fwmark: 1 }]))
    expect(error).toBeInstanceOf(NetlinkError)
    expect(error.code).toBe('EPERM')
  })

  it('undoes what was done when the signal stops it', async () => {
    const rig = new Rig()
    const controller = new AbortController()
    rig.kernel.afterChange = () => controller.abort(new Error('enough'))
    const desired = [{ fwmark: 1, realServers: [{ address: '10.1.0.1', port: 0 }] }]
    const error = await rejection<TransactionError>(rig.sync(desired, { signal: controller.signal }))
    expect(error).toMatchObject({ applied: [], undone: ['add service fwmark 1'], unknown: [], cause: { message: 'enough' } })
    expect(rig.kernel.services.size).toBe(0)
  })

  it('undoes what was done when the deadline passes', async () => {
    const rig = new Rig()
    rig.kernel.afterChange = () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30)
    }
    const desired = [{ fwmark: 1, realServers: [{ address: '10.1.0.1', port: 0 }] }]
    const error = await rejection<TransactionError>(rig.sync(desired, { deadlineMs: 20 }))
    expect(error).toMatchObject({ undone: ['add service fwmark 1'], cause: { code: 'ETIMEDOUT' } })
    expect(rig.kernel.services.size).toBe(0)
  })
})

describe('isolate', () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed))(
    'puts back the service, and does the rest, whichever is refused (seed %i)',
    async (seed) => {
      const { operations, after } = await twoStates(seed)
      for (let victim = 0; victim < operations; victim++) {
        const { rig, desired } = await twoStates(seed)
        const before = rig.kernel.dump()
        const first = rig.kernel.operations
        rig.kernel.fault = (operation) => (operation === first + victim ? EINVAL : undefined)
        const report = await rig.sync(desired, { ...options, onError: 'isolate' })
        expect(report.failed).toHaveLength(1)
        const [failure] = report.failed
        expect(failure).toMatchObject({ errors: [{ code: 'EINVAL' }], applied: [], unknown: [] })
        const { fwmark, address } = failure!.service
        const name = fwmark === undefined ? (address.includes(':') ? `[${address}]` : address) : `fwmark ${fwmark}`
        expect(blocks(rig.kernel.dump(), name)).toEqual(blocks(before, name))
        expect(blocks(rig.kernel.dump(), name, false)).toEqual(blocks(after, name, false))
        rig.kernel.fault = () => undefined
        await rig.sync(desired, options)
        expect(rig.kernel.dump()).toBe(after)
      }
    }
  )

  it('survives that every one of 2,000 operations is refused', async () => {
    const rig = new Rig()
    rig.kernel.fault = () => EINVAL
    const desired = Array.from({ length: 2000 }, (_, index) => ({ fwmark: index + 1, realServers: [{ address: '10.1.0.1', port: 0 }] }))
    const report = await rig.sync(desired, { onError: 'isolate' })
    expect(report).toMatchObject({ services: { added: 0 }, realServers: { added: 0 } })
    expect(report.failed).toHaveLength(2000)
    expect(rig.kernel.operations).toBe(2000)
    expect(rig.kernel.services.size).toBe(0)
  })

  it('still owns what could not be removed', async () => {
    for (const from of ['kernel', 'memory'] as const) {
      const rig = new Rig()
      await rig.sync([{ fwmark: 1 }, { fwmark: 2 }])
      rig.kernel.fault = () => EINVAL
      expect((await rig.sync([{ fwmark: 1 }], { onError: 'isolate', from })).failed).toMatchObject([{ service: { fwmark: 2 } }])
      rig.kernel.fault = () => undefined
      await rig.sync([{ fwmark: 1 }], { from })
      expect([...rig.kernel.services.keys()]).toEqual(['fwmark 1'])
    }
  })

  it('reports why it stopped, and puts back what is half done', async () => {
    const rig = new Rig()
    const controller = new AbortController()
    rig.kernel.afterChange = () => controller.abort(new Error('enough'))
    const desired = [{ fwmark: 1 }, { fwmark: 2, realServers: [{ address: '10.1.0.1', port: 0 }] }]
    const report = await rig.sync(desired, { onError: 'isolate', signal: controller.signal })
    expect(report).toMatchObject({
      services: { added: 1 },
      failed: [{ service: { fwmark: 2 }, errors: [] }],
      stopped: { message: 'enough' }
    })
    expect([...rig.kernel.services.keys()]).toEqual(['fwmark 1'])
  })

  it('goes on behind lost replies', async () => {
    const rig = new Rig()
    rig.kernel.fault = (operation) => (operation === 2 ? 'lost' : undefined)
    const desired = Array.from({ length: 20 }, (_, index) => ({ fwmark: index + 1 }))
    const report = await rig.sync(desired, { onError: 'isolate' })
    // Of the four whose replies were lost two were refused.
    expect(report.services.added).toBe(18)
    expect(report.failed.map(({ service }) => service.fwmark)).toEqual([4, 6])
    expect(rig.kernel.services.size).toBe(18)
  })
})

/** The parts of a dump that are about a service, or about all others. */
function blocks(dump: string, name: string, isAbout = true): string[] {
  return dump
    .split(/\n(?! )/)
    .filter((block) => block !== '' && block.split('\n')[0]!.includes(`${name}${name.startsWith('fwmark') ? ' ' : ':'}`) === isAbout)
}
