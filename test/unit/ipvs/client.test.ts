import { describe, expect, it } from 'vitest'
import { UnsupportedError, ValidationError } from '../../../src/core/errors.js'
import { FakeIpvsKernel } from '../../../src/testing/ipvs/kernel.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const

/** What cannot be written, and where the error says it is. */
const badServices: [path: string, spec: unknown][] = [
  ['service', null],
  ['service.protocol', { ...web, protocol: 'icmp' }],
  ['service.address', { ...web, address: '10.96.0.1/32' }],
  ['service.port', { ...web, port: 65_536 }],
  ['service.port', { ...web, port: 0 }],
  ['service.family', { ...web, family: 'ip6' }],
  ['service.fwmark', { fwmark: 0 }],
  ['service.fwmark', { ...web, fwmark: 1 }],
  ['service.scheduler', { ...web, scheduler: 'sixteen-bytes-xx' }],
  ['service.flags', { ...web, flags: 'sh-port' }],
  ['service.flags[1]', { ...web, flags: ['one-packet', 'persistent'] }],
  ['service.flags[0]', { ...web, scheduler: 'rr', flags: ['sh-port'] }],
  ['service.persistence.timeoutSeconds', { ...web, persistence: { timeoutSeconds: 0 } }],
  ['service.persistence.prefixLength', { ...web, persistence: { prefixLength: 33 } }],
  ['service.persistence.prefixLength', { ...web, address: 'fd00::1', persistence: { prefixLength: 129 } }],
  ['service.persistence.netmask', { ...web, address: 'fd00::1', persistence: { netmask: '255.255.255.0' } }],
  ['service.persistence.netmask', { ...web, persistence: { netmask: '255.255.255.0', prefixLength: 24 } }],
  ['service.persistence.prefixLength', { ...web, address: 'fd00::1', persistence: { prefixLength: 0 } }],
  ['service.persistenceEngine', { ...web, persistenceEngine: '' }]
]

const real = { address: '10.0.0.1', port: 80 } as const
const badServers: [path: string, spec: unknown][] = [
  ['server', undefined],
  ['server.address', { ...real, address: '10.0.0' }],
  ['server.port', { ...real, port: -1 }],
  ['server.forwarding', { ...real, forwarding: 'masq' }],
  ['server.weight', { ...real, weight: 2 ** 31 }],
  ['server.upperThreshold', { ...real, upperThreshold: 1.5 }],
  ['server.lowerThreshold', { ...real, upperThreshold: 5, lowerThreshold: 6 }],
  ['server.tunnel', { ...real, tunnel: { type: 'gre' } }],
  ['server.tunnel.type', { ...real, forwarding: 'tunnel', tunnel: { type: 'vxlan' } }],
  ['server.tunnel.port', { ...real, forwarding: 'tunnel', tunnel: { type: 'gue' } }],
  ['server.tunnel.port', { ...real, forwarding: 'tunnel', tunnel: { type: 'gre', port: 1 } }],
  ['server.tunnel.flags[0]', { ...real, forwarding: 'tunnel', tunnel: { type: 'ipip', flags: ['checksum'] } }],
  ['server.tunnel.flags[0]', { ...real, forwarding: 'tunnel', tunnel: { type: 'gre', flags: ['remote-checksum'] } }],
  ['server.address', { ...real, address: 'fd00::1' }]
]

describe('what cannot be written', () => {
  it.each(badServices)('is refused at %s before anything is sent', async (path, spec) => {
    await using ipvs = await new FakeIpvsKernel().open()
    await expect(ipvs.addService(spec as typeof web)).rejects.toMatchObject({ name: 'ValidationError', path })
    expect(await ipvs.list()).toEqual([])
  })

  it.each(badServers)('is refused at %s of a real server', async (path, spec) => {
    await using ipvs = await new FakeIpvsKernel().open()
    await ipvs.addService(web)
    await expect(ipvs.addRealServer(web, spec as typeof real)).rejects.toMatchObject({ name: 'ValidationError', path })
    expect(await ipvs.listRealServers(web)).toEqual([])
  })

  it('names the row of many', async () => {
    await using ipvs = await new FakeIpvsKernel().open()
    await expect(ipvs.addServices([web, { ...web, port: 99_999 }])).rejects.toMatchObject({ path: 'services[1].port' })
    const rows = [
      { service: web, server: real },
      { service: { ...web, address: 'x' }, server: real }
    ]
    await expect(ipvs.addRealServers(rows)).rejects.toMatchObject({ path: 'servers[1].service.address' })
    await expect(ipvs.removeRealServers([{ service: web, server: { ...real, port: 70_000 } }])).rejects.toMatchObject({
      path: 'servers[0].server.port'
    })
    await expect(ipvs.addServices('tcp' as unknown as [])).rejects.toBeInstanceOf(ValidationError)
    await expect(ipvs.addServices([], { onError: 'atomic' as 'throw' })).rejects.toMatchObject({ path: 'options.onError' })
  })

  it('is refused in columns with the entry at fault', async () => {
    await using ipvs = await new FakeIpvsKernel().open()
    await ipvs.addService(web)
    await ipvs.addRealServer(web, real)
    const columns = await ipvs.listColumns()
    const { services, realServers } = columns
    const refused = async (path: string, change: Partial<typeof realServers>): Promise<void> => {
      const given = { services, realServers: { ...realServers, ...change } }
      await expect(ipvs.updateRealServers(given)).rejects.toMatchObject({ path: `servers.realServers.${path}` })
    }
    await refused('weight[0]', { weight: Uint32Array.of(2 ** 31) })
    await refused('forwarding[0]', { forwarding: Uint8Array.of(5) })
    await refused('service[0]', { service: Uint32Array.of(1) })
    await refused('family[0]', { family: Uint8Array.of(1) })
    await refused('rows', { rows: -1 })
    await expect(ipvs.updateServices({ ...services, scheduler: Uint32Array.of(9) })).rejects.toMatchObject({
      path: 'services.scheduler[0]'
    })
  })

  it('goes for settings and daemons too', async () => {
    await using ipvs = await new FakeIpvsKernel().open()
    await expect(ipvs.writeTimeouts({})).rejects.toMatchObject({ path: 'timeouts' })
    await expect(ipvs.writeTimeouts({ tcpSeconds: 0 })).rejects.toMatchObject({ path: 'timeouts.tcpSeconds' })
    const daemon = { role: 'master', interface: 'eth0', syncId: 1 } as const
    await expect(ipvs.startDaemon({ ...daemon, syncId: 256 })).rejects.toMatchObject({ path: 'daemon.syncId' })
    await expect(ipvs.startDaemon({ ...daemon, group: '10.0.0.1' })).rejects.toMatchObject({ path: 'daemon.group' })
    await expect(ipvs.stopDaemon('both' as 'master')).rejects.toMatchObject({ path: 'role' })
    expect(() => ipvs.iterateConnections({ filter: { clientPort: -1 } })).toThrow(ValidationError)
  })
})

describe('what the caller or the kernel lacks', () => {
  it('is said when the client is opened, or at the first call', async () => {
    await expect(new FakeIpvsKernel({ supported: false }).open()).rejects.toBeInstanceOf(UnsupportedError)
    await expect(new FakeIpvsKernel({ supported: false }).open()).rejects.toThrow('modprobe ip_vs')
    await using ipvs = await new FakeIpvsKernel({ privileged: false }).open()
    const calls = [ipvs.list(), ipvs.addService(web), ipvs.readInfo(), ipvs.flush({ allServices: true }), ipvs.addServices([web, web])]
    // These read what they do not mention first.
    calls.push(ipvs.updateService(web), ipvs.updateServices([web, web]), ipvs.updateRealServer(web, real))
    for (const call of calls)
      await expect(call).rejects.toMatchObject({ code: 'EPERM', hint: expect.stringContaining('initial user namespace') as string })
  })

  it('is said by updates, which read first, when the module has gone since', async () => {
    const kernel = new FakeIpvsKernel()
    await using ipvs = await kernel.open()
    kernel.listFault = () => 2
    kernel.resolve = () => ({ failure: { errno: 2, operation: 'CTRL_CMD_GETFAMILY', message: '', outcomeUnknown: false } })
    for (const call of [ipvs.list(), ipvs.updateService(web), ipvs.updateRealServer(web, real)])
      await expect(call).rejects.toBeInstanceOf(UnsupportedError)
  })
})
