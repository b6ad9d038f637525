import { describe, expect, it } from 'vitest'
import { FakeIpvsKernel } from '../../../../src/testing/ipvs/kernel.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const real = { address: '10.0.0.1', port: 80 } as const

describe('the fake of IPVS', () => {
  it('has the connections that a test gives it', async () => {
    const kernel = new FakeIpvsKernel()
    await using ipvs = await kernel.open()
    await ipvs.addService(web)
    await ipvs.addRealServer(web, real)
    kernel.setConnections(web, real, { active: 3, inactive: 2, persistent: 1 })
    await ipvs.updateRealServer(web, { ...real, weight: 0 })
    expect(await ipvs.listRealServers(web)).toMatchObject([
      { weight: 0, activeConnections: 3, inactiveConnections: 2, persistentConnections: 1 }
    ])
    expect(() => kernel.setConnections(web, { ...real, port: 1 }, {})).toThrow('no such real server')
  })

  it('prints what is configured, equal texts for equal configurations', async () => {
    const kernel = new FakeIpvsKernel()
    await using ipvs = await kernel.open()
    expect(kernel.dump()).toBe('')
    await ipvs.addServices([
      { ...web, scheduler: 'sh', flags: ['sh-port'] },
      { fwmark: 3, persistence: { timeoutSeconds: 9 } }
    ])
    await ipvs.addRealServer(web, { ...real, port: 81, weight: 7, forwarding: 'direct-route' })
    await ipvs.addRealServer(web, real)
    expect(kernel.dump()).toBe(
      [
        'fwmark 3 scheduler wlc, persistence 9 s by /32',
        'tcp 10.96.0.1:80 scheduler sh, flags sh-port',
        '  10.0.0.1:80 weight 1',
        '  10.0.0.1:81 weight 7, forwarding direct-route'
      ].join('\n')
    )
    const before = kernel.dump()
    await ipvs.removeRealServer(web, real)
    expect(kernel.dump()).not.toBe(before)
    await ipvs.addRealServer(web, real)
    kernel.setConnections(web, real, { active: 5 })
    expect(kernel.dump()).toBe(before)
  })

  it('refuses what a test tells it to, and tells what it has done', async () => {
    const kernel = new FakeIpvsKernel()
    await using ipvs = await kernel.open()
    const done: string[] = []
    kernel.applied = ({ text }) => void done.push(text)
    kernel.fault = ({ verb, of, index }) => (verb === 'add' && of === 'service' && index === 1 ? 12 : undefined)
    const services = [1, 2, 3].map((fwmark) => ({ fwmark }))
    const report = await ipvs.addServices(services, { onError: 'isolate' })
    expect(report).toMatchObject({ applied: 2, refused: [{ index: 1, code: 'ENOMEM' }] })
    expect(done).toEqual(['add service fwmark 1', 'add service fwmark 3'])
    kernel.listFault = () => 5
    await expect(ipvs.list()).rejects.toMatchObject({ code: 'EIO' })
  })

  it('loses replies: what they were about is unknown, and the rest of the call is not sent', async () => {
    const kernel = new FakeIpvsKernel()
    await using ipvs = await kernel.open()
    const faults = [undefined, 'lost', 'lost-refused'] as const
    kernel.fault = ({ index }) => faults[index]
    const services = [1, 2, 3, 4].map((fwmark) => ({ fwmark }))
    const report = await ipvs.addServices(services, { onError: 'isolate' })
    expect(report).toMatchObject({ applied: 1, unknown: 2, notSent: 1, stopped: { code: 'ENOBUFS' } })
    expect((await ipvs.listServices()).map(({ fwmark }) => fwmark)).toEqual([1, 2])
  })
})
