import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { NetlinkError } from '../../src/core/errors.js'
import { Ipvs } from '../../src/ipvs/client.js'
import { makeNamespace, type TestNamespace } from '../support/namespace.js'
import { run } from '../support/run.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const

/** What the reference tool makes of the kernel's state: one command line an object, sorted. */
async function saved(namespace: TestNamespace): Promise<string[]> {
  const text = await namespace.run('ipvsadm', ['-S', '-n'])
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .sort()
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

async function openBoth(): Promise<{ namespace: TestNamespace; ipvs: Ipvs }> {
  const namespace = await makeNamespace()
  return { namespace, ipvs: await Ipvs.open({ netns: namespace.path }) }
}

describe('what the client writes, as ipvsadm reads it', () => {
  it('is every kind of service and real server', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    await client.addService({ ...web, scheduler: 'wrr' })
    await client.addRealServer(web, { address: '10.0.0.1', port: 8080, weight: 3, upperThreshold: 100, lowerThreshold: 50 })
    await client.addRealServer(web, { address: '10.0.0.2', port: 80, forwarding: 'direct-route', weight: 0 })
    await client.addRealServer(web, { address: '10.0.0.3', port: 80, forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 } })
    await client.addRealServer(web, { address: 'fd00::5', port: 80, forwarding: 'tunnel' })
    await client.addService({
      protocol: 'udp',
      address: 'fd00:96::1',
      port: 53,
      scheduler: 'rr',
      flags: ['one-packet'],
      persistence: { timeoutSeconds: 600, prefixLength: 64 }
    })
    await client.addService({ fwmark: 7, scheduler: 'sh', flags: ['sh-fallback', 'sh-port'], persistence: { prefixLength: 24 } })
    expect(await saved(namespace)).toEqual([
      '-A -f 7 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port',
      '-A -t 10.96.0.1:80 -s wrr',
      '-A -u [fd00:96::1]:53 -s rr -p 600 -M 64 -o',
      '-a -t 10.96.0.1:80 -r 10.0.0.1:8080 -m -w 3',
      '-a -t 10.96.0.1:80 -r 10.0.0.2:80 -g -w 0',
      '-a -t 10.96.0.1:80 -r 10.0.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum',
      '-a -t 10.96.0.1:80 -r [fd00::5]:80 -i -w 1 --tun-type ipip'
    ])
  })

  it('survives a round trip through a listing', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    const rules = [
      '-A -t 10.96.0.1:443 -s mh -p 90 -M 255.255.0.0 -b mh-fallback',
      '-a -t 10.96.0.1:443 -r 10.0.0.1:443 -m -w 7 -x 10 -y 5',
      '-a -t 10.96.0.1:443 -r 10.0.0.2:443 -i -w 1 --tun-type gre --tun-csum',
      '-A -f 9 -6 -s wlc',
      '-a -f 9 -6 -r [fd00::9]:0 -g -w 1'
    ]
    await namespace.run('ipvsadm', ['-R'], { input: `${rules.join('\n')}\n` })
    const before = await saved(namespace)
    const listed = await client.list()
    await client.flush({ allServices: true })
    expect(await client.list()).toEqual([])
    expect(await client.addServices(listed)).toMatchObject({ applied: 2, refused: [] })
    await client.addRealServers(listed.flatMap((service) => service.realServers.map((server) => ({ service, server }))))
    expect(await saved(namespace)).toEqual(before)
    const columns = await client.listColumns({ statistics: false })
    expect(columns.services.connections).toBeUndefined()
    expect(await client.updateServices(columns.services)).toMatchObject({ applied: 2, refused: [] })
    expect(await client.updateRealServers(columns)).toMatchObject({ applied: 3, refused: [] })
    expect(await saved(namespace)).toEqual(before)
  })

  it('keeps what an update does not mention', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    await namespace.run('ipvsadm', ['-A', '-u', '10.96.0.1:5060', '-s', 'sh', '-p', '60', '-b', 'sh-port', '--pe', 'sip'])
    await namespace.run('ipvsadm', ['-a', '-u', '10.96.0.1:5060', '-r', '10.0.0.1:5060', '-m', '-w', '5', '-x', '9'])
    const sip = { protocol: 'udp', address: '10.96.0.1', port: 5060 } as const
    await client.updateRealServer(sip, { address: '10.0.0.1', port: 5060, weight: 0 })
    await client.updateService({ ...sip, scheduler: 'rr' })
    expect(await client.getService(sip)).toMatchObject({
      scheduler: 'rr',
      flags: [],
      persistenceEngine: 'sip',
      persistence: { timeoutSeconds: 60 }
    })
    expect(await client.listRealServers(sip)).toMatchObject([{ weight: 0, upperThreshold: 9, forwarding: 'masquerade' }])
    await client.updateService({ ...sip, persistenceEngine: null })
    expect(await client.getService(sip)).toMatchObject({ persistenceEngine: null, persistence: { timeoutSeconds: 60 } })
  })
})

describe('refusals', () => {
  it('of a real server say why it is invalid', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    await client.addService(web)
    const refusal = async (address: string): Promise<unknown> =>
      await client.addRealServer(web, { address, port: 80, forwarding: address.includes(':') ? 'tunnel' : 'masquerade' }).then(
        () => undefined,
        (error: unknown) => (error instanceof NetlinkError ? `${error.code}: ${error.hint}` : error)
      )
    await namespace.ip('address', 'add', '10.7.0.1/24', 'dev', 'lo')
    expect(await refusal('10.7.0.255')).toMatch(/^EINVAL: the address is the broadcast address of a network/)
    expect(await refusal('224.0.0.1')).toBe('EINVAL: the address is not that of one host')
    expect(await refusal('ff02::1')).toBe('EINVAL: the address is not that of one host')
    expect(await refusal('10.7.0.9')).toBeUndefined()
    expect(await refusal('fd00::9')).toBeUndefined()
    await client.removeRealServer(web, { address: 'fd00::9', port: 80 })
    await client.startDaemon({ role: 'master', interface: 'lo', syncId: 5, group: '224.0.0.90', port: 9000, ttl: 2 })
    expect(await refusal('fd00::10')).toMatch(/^EINVAL: .* while a synchronisation daemon runs$/)
    await client.stopDaemon('master')
  })

  it('of a namespace without an address say so', async () => {
    // Its loopback was never up: once it was, the table of local addresses stays.
    await run('ip', ['netns', 'add', 'bare'])
    onTestFinished(async () => {
      await run('ip', ['netns', 'delete', 'bare'])
    })
    await using client = await Ipvs.open({ netns: 'bare' })
    await client.addService(web)
    const added = client.addRealServer(web, { address: '10.7.0.9', port: 80 })
    await expect(added).rejects.toMatchObject({ code: 'EINVAL', hint: expect.stringContaining('no local address yet') as string })
  })
})

describe('the rest of IPVS', () => {
  it('has time-outs, information and counters', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    await client.writeTimeouts({ tcpSeconds: 1000, udpSeconds: 33 })
    expect(await client.readTimeouts()).toEqual({ tcpSeconds: 1000, tcpFinSeconds: 120, udpSeconds: 33 })
    expect(await namespace.run('ipvsadm', ['-L', '--timeout'])).toContain('1000 120 33')
    await client.addService(web)
    // Linux 7 makes a namespace's table with its first service.
    const { version, connectionTableSize } = await client.readInfo()
    expect(version).toBe('1.2.1')
    expect(connectionTableSize).toBeGreaterThan(255)
    await client.zero()
    await client.zero(web)
    expect((await client.getService(web))?.statistics).toMatchObject({ connections: 0n, incomingBytesPerSecond: 0n })
    await expect(client.zero({ ...web, port: 81 })).rejects.toMatchObject({ code: 'ESRCH', subject: 'service tcp 10.96.0.1:81' })
  })

  // The kernel never acknowledges the end of a daemon that has not run yet.
  it('starts and stops synchronisation daemons, also one right after the other', async () => {
    const { ipvs } = await openBoth()
    await using client = ipvs
    const daemon = { role: 'master', interface: 'lo', syncId: 5, group: '224.0.0.90', port: 9000, ttl: 2 } as const
    await client.startDaemon(daemon)
    await client.stopDaemon('master')
    expect(await client.listDaemons()).toEqual([])
    await client.startDaemon(daemon)
    expect(await client.listDaemons()).toMatchObject([daemon])
    await client.stopDaemon('master')
    await expect(client.stopDaemon('backup')).rejects.toMatchObject({ code: 'ESRCH' })
    await expect(client.startDaemon({ ...daemon, interface: 'nowhere' })).rejects.toMatchObject({ code: 'ENODEV' })
  })

  it('lists connections with their states', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    const dns = { protocol: 'udp', address: '10.96.0.10', port: 53 } as const
    await namespace.ip('address', 'add', '10.96.0.10/32', 'dev', 'lo')
    await client.addService({ ...dns, scheduler: 'rr' })
    await client.addRealServer(dns, { address: '127.0.0.1', port: 5353 })
    await namespace.run('bash', ['-c', 'for i in 1 2 3; do echo x > /dev/udp/10.96.0.10/53; done'])
    const all = await collect(client.iterateConnections())
    expect(all).toHaveLength(3)
    expect(all[0]).toMatchObject({ protocol: 'udp', virtualAddress: '10.96.0.10', virtualPort: 53, realAddress: '127.0.0.1', state: 'UDP' })
    expect(all[0]!.expiresSeconds).toBeGreaterThan(0)
    const { clientPort } = all[1]!
    expect(await collect(client.iterateConnections({ filter: { protocol: 'udp', clientPort } }))).toEqual([
      expect.objectContaining({ clientPort })
    ])
    expect(await collect(client.iterateConnections({ filter: { protocol: 'tcp' } }))).toEqual([])
    // The kernel sums its counters up every 2 seconds.
    await vi.waitFor(async () => expect((await client.getService(dns))?.statistics?.connections).toBe(3n), {
      timeout: 20_000,
      interval: 500
    })
  })
})

describe('many at once', () => {
  it('are listed in one job, whatever their number', async () => {
    const { namespace, ipvs } = await openBoth()
    await using client = ipvs
    const services = Array.from({ length: 300 }, (_, index) => ({ ...web, address: `10.96.${index >> 8}.${index & 255}`, scheduler: 'rr' }))
    expect(await client.addServices(services)).toMatchObject({ applied: 300, refused: [] })
    const servers = services.flatMap((service, index) =>
      // One of them needs several datagrams.
      Array.from({ length: index === 7 ? 200 : 2 }, (_, at) => ({ service, server: { address: `10.1.${index & 255}.${at}`, port: 80 } }))
    )
    expect(await client.addRealServers(servers)).toMatchObject({ applied: 798, refused: [] })
    const listed = await client.list({ statistics: false })
    expect(listed).toHaveLength(300)
    expect(listed.reduce((sum, { realServers }) => sum + realServers.length, 0)).toBe(798)
    expect((await saved(namespace)).length).toBe(300 + 798)
    const report = await client.addServices([...services, { ...web, address: '10.97.0.1' }], { ensure: true })
    expect(report).toMatchObject({ applied: 1, unchanged: 300, refused: [] })
  })

  it('are each accounted for when the kernel refuses some', async () => {
    const { ipvs } = await openBoth()
    await using client = ipvs
    await client.addService(web)
    const report = await client.addServices(
      [web, { ...web, port: 81, scheduler: 'nosuch' }, { ...web, port: 82 }, { ...web, port: 83, persistenceEngine: 'nosuch' }],
      { onError: 'isolate' }
    )
    expect(report.outcomes).toEqual(['refused', 'refused', 'applied', 'refused'])
    expect(report.refused.map(({ code, index }) => [code, index])).toEqual([
      ['EEXIST', 0],
      ['ENOENT', 1],
      ['ENOENT', 3]
    ])
    expect(report.refused[1]!.message).toContain('modprobe ip_vs_nosuch')
    expect(report.refused[2]!.message).toContain('modprobe ip_vs_pe_nosuch')
    await expect(client.addRealServer({ ...web, port: 99 }, { address: '10.0.0.1', port: 80 })).rejects.toMatchObject({ code: 'ESRCH' })
    await expect(client.removeRealServer(web, { address: '10.0.0.1', port: 80 })).rejects.toMatchObject({ code: 'ENOENT' })
    await client.removeRealServer({ ...web, port: 99 }, { address: '10.0.0.1', port: 80 }, { ensure: true })
    await client.removeService({ ...web, port: 99 }, { ensure: true })
    await expect(client.removeService({ ...web, port: 99 })).rejects.toMatchObject({ code: 'ESRCH' })
  })
})
