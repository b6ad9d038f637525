import { describe, expect, it } from 'vitest'
import { NetlinkError, TransactionError, ValidationError } from '../../src/core/errors.js'
import { Ipvs } from '../../src/ipvs/client.js'
import { lacksScheduler } from '../../src/ipvs/schedulers.js'
import type { RealServerSpec, VirtualServiceSpec } from '../../src/ipvs/types.js'
import { FakeIpvsKernel } from '../../src/testing/ipvs/kernel.js'
import { acceptsWhatItLists } from '../support/ipvs-listed.js'
import { kernelsHere, mayUseIpvs } from '../support/lab.js'
import { makeNamespace } from '../support/namespace.js'

/** The fake and the kernel must answer alike. Each `open` is a namespace of its own, without services. IPVS is for the initial user namespace only. */
const fake = { kernel: 'the fake', open: () => new FakeIpvsKernel().open() }
const kernel = {
  kernel: 'the kernel',
  open: async () => {
    const namespace = await makeNamespace()
    return await Ipvs.open({ netns: namespace.path })
  }
}
const kernels = kernelsHere(mayUseIpvs() ? [fake, kernel] : [fake])

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const dns = { protocol: 'udp', address: 'fd00:96::10', port: 53 } as const
const server = { address: '10.0.0.1', port: 8080 } as const

describe.each(kernels)('Ipvs client on $kernel', ({ open }) => {
  it('adds with defaults, reads, and removes', async () => {
    await using ipvs = await open()
    await ipvs.addService(web)
    await ipvs.addRealServer(web, server)
    const service = { ...web, family: 'ip', scheduler: 'wlc', flags: [], persistence: null, persistenceEngine: null }
    const real = {
      ...server,
      family: 'ip',
      forwarding: 'masquerade',
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnel: null,
      activeConnections: 0,
      inactiveConnections: 0,
      persistentConnections: 0
    }
    expect(await ipvs.getService(web, { statistics: false })).toEqual(service)
    expect(await ipvs.listRealServers(web, { statistics: false })).toEqual([real])
    expect(await ipvs.list({ statistics: false })).toEqual([{ ...service, realServers: [real] }])
    expect((await ipvs.listServices())[0]!.statistics).toMatchObject({ connections: 0n, outgoingBytesPerSecond: 0n })
    await ipvs.removeRealServer(web, server)
    expect(await ipvs.listRealServers(web)).toEqual([])
    await ipvs.removeService(web)
    expect(await ipvs.list()).toEqual([])
  })

  it('gives back what it was given', async () => {
    await using ipvs = await open()
    const services: VirtualServiceSpec[] = [
      { ...web, scheduler: 'mh', flags: ['mh-fallback', 'mh-port'], persistence: { timeoutSeconds: 30, prefixLength: 16 } },
      { ...dns, scheduler: 'rr', flags: ['one-packet'], persistence: { timeoutSeconds: 60, prefixLength: 48 }, persistenceEngine: 'sip' },
      { fwmark: 4_000_000_000, family: 'ip6', scheduler: 'sh', flags: ['sh-port'] },
      { fwmark: 2, scheduler: 'rr', persistence: { timeoutSeconds: 300, prefixLength: 0 } },
      { fwmark: 1, scheduler: 'lc', flags: ['flag-3'], persistence: { timeoutSeconds: 5, netmask: '255.0.255.0' } },
      { protocol: 'sctp', address: '10.96.0.2', port: 0, scheduler: 'sed', persistence: { timeoutSeconds: 2_000_000 } }
    ]
    const servers: RealServerSpec[] = [
      { address: '10.0.0.1', port: 1, forwarding: 'direct-route', weight: 2_147_483_647 },
      { address: '10.0.0.2', port: 0, forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, flags: ['checksum'] } },
      { address: '10.0.0.3', port: 65_535, forwarding: 'tunnel', tunnel: { type: 'gre' }, weight: 0 },
      { address: 'fd00::4', port: 4, forwarding: 'tunnel' },
      { address: '10.0.0.5', port: 5, upperThreshold: 2_147_483_647, lowerThreshold: 9 }
    ]
    await ipvs.addServices(services)
    await ipvs.addRealServers(servers.map((each) => ({ service: web, server: each })))
    const listed = await ipvs.list()
    expect(listed).toHaveLength(services.length)
    for (const service of services) {
      const found = await ipvs.getService(service)
      expect(found).toMatchObject({ ...service, persistence: service.persistence ?? null })
    }
    const { realServers } = listed.find(({ address }) => address === web.address)!
    for (const each of servers) expect(realServers).toContainEqual(expect.objectContaining(each))
    expect(realServers).toHaveLength(servers.length)
  })

  it('changes only what an update mentions', async () => {
    await using ipvs = await open()
    const persistence = { timeoutSeconds: 60, prefixLength: 24 }
    await ipvs.addService({ ...dns, scheduler: 'sh', flags: ['sh-port'], persistence, persistenceEngine: 'sip' })
    await ipvs.addRealServer(dns, { address: 'fd00::1', port: 53, forwarding: 'tunnel', tunnel: { type: 'gue', port: 9 }, weight: 5 })
    await ipvs.updateService({ ...dns, persistence: { timeoutSeconds: 10 } })
    expect(await ipvs.getService(dns)).toMatchObject({
      scheduler: 'sh',
      flags: ['sh-port'],
      persistence: { timeoutSeconds: 10, prefixLength: 128 },
      persistenceEngine: 'sip'
    })
    await ipvs.updateService({ ...dns, scheduler: 'wrr', persistence: null, persistenceEngine: null })
    expect(await ipvs.getService(dns)).toMatchObject({ scheduler: 'wrr', flags: [], persistence: null, persistenceEngine: null })
    await ipvs.updateRealServer(dns, { address: 'fd00::1', port: 53, weight: 0 })
    expect(await ipvs.listRealServers(dns)).toMatchObject([{ weight: 0, forwarding: 'tunnel', tunnel: { type: 'gue', port: 9 } }])
    await ipvs.updateRealServers([{ service: dns, server: { address: 'fd00::1', port: 53, forwarding: 'masquerade' } }])
    expect(await ipvs.listRealServers(dns)).toMatchObject([{ weight: 0, forwarding: 'masquerade', tunnel: null }])
  })

  it('says what was refused, and why', async () => {
    await using ipvs = await open()
    await ipvs.addService(web)
    await expect(ipvs.addService(web)).rejects.toMatchObject({ code: 'EEXIST', subject: 'service tcp 10.96.0.1:80' })
    await expect(ipvs.addService({ ...dns, scheduler: 'nosuch' })).rejects.toThrow('modprobe ip_vs_nosuch')
    await expect(ipvs.addService({ ...dns, persistenceEngine: 'nosuch' })).rejects.toThrow('modprobe ip_vs_pe_nosuch')
    await expect(ipvs.updateService(dns)).rejects.toMatchObject({ code: 'ESRCH' })
    expect(await ipvs.getService(dns)).toBeUndefined()
    await expect(ipvs.listRealServers(dns)).rejects.toMatchObject({ code: 'ESRCH', subject: 'service udp [fd00:96::10]:53' })
    await expect(ipvs.listRealServers({ fwmark: 3 })).rejects.toMatchObject({ code: 'ESRCH', subject: 'service fwmark 3' })
    await expect(ipvs.updateRealServer(web, server)).rejects.toMatchObject({
      code: 'ENOENT',
      subject: 'real server 10.0.0.1:8080 of tcp 10.96.0.1:80'
    })
    await expect(ipvs.removeRealServer(dns, server)).rejects.toBeInstanceOf(NetlinkError)
    await ipvs.addService(web, { ensure: true })
    await ipvs.removeRealServer(web, server, { ensure: true })
    await ipvs.removeRealServer(dns, server, { ensure: true })
    await ipvs.removeService(dns, { ensure: true })
  })

  it('has schedulers or lacks them, and is asked without a change', async () => {
    await using ipvs = await open()
    const lacking = []
    for (const name of ['wrr', 'nosuch', 'fo', 'none', 'nosuch']) lacking.push(await lacksScheduler(ipvs, name))
    expect(lacking).toEqual([false, true, false, false, true])
    expect(await ipvs.list()).toEqual([])
    await expect(lacksScheduler(ipvs, '')).rejects.toBeInstanceOf(ValidationError)
  })

  it('accounts for every row of many', async () => {
    await using ipvs = await open()
    const rows = Array.from({ length: 600 }, (_, index) => ({ ...web, port: 1 + (index % 300), scheduler: 'rr' }))
    const report = await ipvs.addServices(rows, { onError: 'isolate' })
    expect(report).toMatchObject({ applied: 300, unchanged: 0, unknown: 0, notSent: 0 })
    expect(report.refused.map(({ index, code }) => `${index} ${code}`)).toEqual(rows.slice(300).map((_, at) => `${300 + at} EEXIST`))
    expect(report.outcomes).toEqual(rows.map((_, index) => (index < 300 ? 'applied' : 'refused')))
    const error: unknown = await ipvs.removeServices(rows).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TransactionError)
    expect(error).toMatchObject({ unknown: [], errors: { length: 300 } })
    expect((error as TransactionError).applied).toHaveLength(300)
    expect(await ipvs.removeServices(rows, { ensure: true })).toMatchObject({ applied: 0, unchanged: 600 })
  })

  it('takes columns that were listed', async () => {
    await using ipvs = await open()
    await ipvs.addServices([web, dns])
    await ipvs.addRealServers([
      { service: web, server },
      { service: dns, server: { address: 'fd00::1', port: 53 } }
    ])
    const columns = await ipvs.listColumns()
    expect(columns.realServers.connections).toHaveLength(2)
    expect(await ipvs.removeRealServers(columns)).toMatchObject({ applied: 2 })
    expect(await ipvs.removeServices(columns.services)).toMatchObject({ applied: 2 })
    expect((await ipvs.listColumns()).services.rows).toBe(0)
    expect(await ipvs.addServices(columns.services)).toMatchObject({ applied: 2 })
    expect(await ipvs.addRealServers(columns)).toMatchObject({ applied: 2 })
    await expect(ipvs.addServices({ ...columns.services, flags: new Uint32Array(1) })).rejects.toMatchObject({ path: 'services.flags' })
  })

  it('sets time-outs, zeroes, and flushes only when told so', async () => {
    await using ipvs = await open()
    await ipvs.writeTimeouts({ tcpFinSeconds: 17 })
    expect(await ipvs.readTimeouts()).toMatchObject({ tcpFinSeconds: 17 })
    expect((await ipvs.readInfo()).version).toBe('1.2.1')
    await ipvs.addService(web)
    await ipvs.zero()
    await expect(ipvs.zero(dns)).rejects.toMatchObject({ code: 'ESRCH' })
    await expect(ipvs.flush({} as { allServices: true })).rejects.toBeInstanceOf(ValidationError)
    await expect(ipvs.flush({ allServices: 1 } as unknown as { allServices: true })).rejects.toBeInstanceOf(ValidationError)
    expect(await ipvs.listServices()).toHaveLength(1)
    await ipvs.flush({ allServices: true })
    expect(await ipvs.listServices()).toEqual([])
  })

  it('refuses calls once closed', async () => {
    const ipvs = await open()
    await ipvs.close()
    await expect(ipvs.list()).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
  })
})

for (const { kernel: name, open } of kernels)
  acceptsWhatItLists(name, open, name === 'the fake' ? { seeds: 20, rows: 60 } : { seeds: 3, rows: 40 })
