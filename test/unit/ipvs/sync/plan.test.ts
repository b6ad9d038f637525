import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../../src/core/errors.js'
import type { Desired, DesiredService } from '../../../../src/ipvs/sync/types.js'
import type { RealServerSpec, ServiceSettings } from '../../../../src/ipvs/types.js'
import { rejection } from '../../../support/rejection.js'
import { Rig } from '../../../support/ipvs-sync-rig.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
const dns = { protocol: 'udp', address: '10.96.0.2', port: 53 } as const
const first = { address: '10.1.0.1', port: 8080 } as const
const second = { address: '10.1.0.2', port: 8080 } as const

describe('plan', () => {
  it('prints what would be done, and does nothing', async () => {
    const rig = new Rig()
    await rig.sync([
      { ...web, scheduler: 'rr', realServers: [first, second] },
      { ...dns, realServers: [first] },
      { fwmark: 7, scheduler: 'sh' }
    ])
    rig.kernel.connect('tcp 10.96.0.1:80', '10.1.0.2:8080', 3, 1)
    const before = rig.kernel.dump()
    const plan = await rig.plan([
      {
        ...web,
        scheduler: 'wrr',
        persistence: {},
        realServers: [
          { ...first, weight: 5 },
          { address: '10.1.0.3', port: 8080, forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 } }
        ]
      },
      { ...dns, realServers: [second] },
      { protocol: 'tcp', address: 'FD00::1', port: 443, realServers: [{ address: 'fd00::0:5', port: 8443, upperThreshold: 9 }] }
    ])
    expect(String(plan).split('\n')).toEqual([
      '+ tcp [fd00::1]:443  scheduler wlc, + [fd00::5]:8443 weight 1, upper threshold 9',
      '~ tcp 10.96.0.1:80  scheduler rr -> wrr, persistence none -> 300 s by /32, + 10.1.0.3:8080 weight 1, forwarding tunnel, tunnel gue port 6080, 10.1.0.1:8080 weight 1 -> 5, 10.1.0.2:8080 weight 1 -> 0 (drains)',
      '~ udp 10.96.0.2:53  + 10.1.0.2:8080 weight 1, - 10.1.0.1:8080 (at once)',
      '- fwmark 7  with 0 real servers',
      '! tcp 10.96.0.1:80: persistent clients come back to real servers that drain until the deadline (net.ipv4.vs.expire_quiescent_template is 0)'
    ])
    expect(plan.isEmpty).toBe(false)
    expect(rig.kernel.dump()).toBe(before)
  })

  it('has nothing to do where defaults and spellings differ', async () => {
    const rig = new Rig()
    const spelt: DesiredService[] = [
      { ...web, realServers: [{ ...first, weight: 1, forwarding: 'masquerade', tunnel: null, upperThreshold: 0 }] },
      { protocol: 'tcp', address: 'fd00::1', port: 80, persistence: { timeoutSeconds: 300, prefixLength: 128 } },
      { fwmark: 9, family: 'ip6' }
    ]
    await rig.sync(spelt)
    const other: DesiredService[] = [
      { ...web, scheduler: 'wlc', flags: [], persistence: null, persistenceEngine: null, realServers: [first] },
      { protocol: 'tcp', address: 'FD00:0::0:1', port: 80, persistence: {} },
      { fwmark: 9, family: 'ip6', realServers: [] }
    ]
    const plan = await rig.plan(other)
    expect(String(plan)).toBe('nothing to do')
    expect(plan).toMatchObject({ isEmpty: true, entries: [] })
  })

  it('takes what was listed', async () => {
    const rig = new Rig()
    await rig.sync([{ ...web, realServers: [first] }])
    const { service, servers } = rig.kernel.services.get('tcp 10.96.0.1:80')!
    expect((await rig.plan([{ ...service, realServers: [...servers.values()] }])).isEmpty).toBe(true)
  })

  it('is content with local where the kernel chose it, and with no other way of forwarding', async () => {
    const rig = new Rig()
    await rig.sync([{ ...web, realServers: [{ ...first, forwarding: 'local' }] }])
    expect((await rig.plan([{ ...web, realServers: [first] }])).isEmpty).toBe(true)
    await rig.sync([{ ...web, realServers: [{ ...second, forwarding: 'tunnel' }] }])
    expect(String(await rig.plan([{ ...web, realServers: [second] }]))).toContain('forwarding tunnel -> masquerade')
  })

  it.each<[Partial<RealServerSpec>, string]>([
    [{ weight: 2 }, 'weight 1 -> 2'],
    [{ upperThreshold: 5 }, 'upper threshold 9 -> 5'],
    [{ lowerThreshold: 4 }, 'lower threshold 3 -> 4'],
    [{ forwarding: 'direct-route', tunnel: null }, 'forwarding tunnel -> direct-route, tunnel gue port 1 checksum -> ipip'],
    [{ tunnel: { type: 'gue', port: 2, flags: ['checksum'] } }, 'tunnel gue port 1 checksum -> gue port 2 checksum'],
    [{ tunnel: { type: 'gue', port: 1 } }, 'tunnel gue port 1 checksum -> gue port 1'],
    [{ tunnel: null }, 'tunnel gue port 1 checksum -> ipip']
  ])('sees each setting of a real server: %o', async (change, phrase) => {
    const rig = new Rig()
    const server: RealServerSpec = {
      ...second,
      upperThreshold: 9,
      lowerThreshold: 3,
      forwarding: 'tunnel',
      tunnel: { type: 'gue', port: 1, flags: ['checksum'] }
    }
    await rig.sync([{ ...web, realServers: [server] }])
    const desired = [{ ...web, realServers: [{ ...server, ...change }] }]
    expect(String(await rig.plan(desired))).toBe(`~ tcp 10.96.0.1:80  10.1.0.2:8080 ${phrase}`)
    await rig.sync(desired)
    expect((await rig.plan(desired)).isEmpty).toBe(true)
  })

  it.each<[ServiceSettings, string]>([
    [{ scheduler: 'mh' }, 'scheduler sh -> mh, flags sh-fallback -> none'],
    [{ flags: [] }, 'flags sh-fallback -> none'],
    [{ flags: ['sh-port', 'sh-fallback'] }, 'flags sh-fallback -> sh-fallback sh-port'],
    [{ persistence: null }, 'persistence 60 s by /24 -> none'],
    [{ persistence: { timeoutSeconds: 61, prefixLength: 24 } }, 'persistence 60 s by /24 -> 61 s by /24'],
    [{ persistence: { timeoutSeconds: 60, prefixLength: 25 } }, 'persistence 60 s by /24 -> 60 s by /25'],
    [{ persistence: { timeoutSeconds: 60, netmask: '255.0.255.0' } }, 'persistence 60 s by /24 -> 60 s by 255.0.255.0'],
    [{ persistenceEngine: 'sip' }, 'persistence engine none -> sip']
  ])('sees each setting of a service: %o', async (change, phrase) => {
    const rig = new Rig()
    const service = { ...web, scheduler: 'sh', flags: ['sh-fallback'], persistence: { timeoutSeconds: 60, prefixLength: 24 } } as const
    await rig.sync([service])
    const desired = [{ ...service, ...(change.scheduler !== undefined && { flags: [] }), ...change }]
    expect(String(await rig.plan(desired))).toBe(`~ tcp 10.96.0.1:80  ${phrase}`)
    await rig.sync(desired)
    expect((await rig.plan(desired)).isEmpty).toBe(true)
  })

  it.each<[string, unknown, string]>([
    ['no list', 7, 'desired'],
    ['a text', 'abc', 'desired'],
    ['no service', [7], 'services[0]'],
    ['an unknown field', [{ ...web, sheduler: 'rr' }], 'services[0].sheduler'],
    [
      'an unknown field of a real server',
      [{ ...web, realServers: [first, { ...second, wieght: 1 }] }],
      'services[0].realServers[1].wieght'
    ],
    ['a weight', [{ ...dns }, { ...web, realServers: [{ ...first, weight: -1 }] }], 'services[1].realServers[0].weight'],
    ['a duplicate', [web, { ...web }], 'services[1]'],
    [
      'a duplicate, spelt otherwise',
      [
        { ...web, address: '::1' },
        { ...web, address: '0::1' }
      ],
      'services[1]'
    ],
    ['a duplicate real server', [{ ...web, realServers: [first, { ...first }] }], 'services[0].realServers[1]'],
    ['real servers that are no list', [{ ...web, realServers: first }], 'services[0].realServers'],
    ['a policy', [{ ...web, draining: 'later' }], 'services[0].draining'],
    ['a deadline', [{ ...web, draining: { deadlineSeconds: -1 } }], 'services[0].draining.deadlineSeconds'],
    ['mixed families without tunnel', [{ ...web, realServers: [{ address: 'fd00::1', port: 1 }] }], 'services[0].realServers[0].address'],
    ['something besides set and delete', { sett: [] }, 'desired.sett'],
    ['a service set and deleted', { set: [web], delete: [web] }, 'delete'],
    ['a key', { delete: [{ ...web, port: -1 }] }, 'delete[0].port']
  ])('refuses %s before anything is read', async (_, desired, path) => {
    const rig = new Rig()
    const error = await rejection<ValidationError>(rig.plan(desired as Desired))
    expect(error).toBeInstanceOf(ValidationError)
    expect(error.path).toBe(path)
    expect(rig.kernel.lists).toBe(0)
  })

  it.each<[string, object, string]>([
    ['from', { from: 'disk' }, 'options.from'],
    ['onError', { onError: 'ignore' }, 'options.onError'],
    ['draining', { draining: { icmp: 'at-once' } }, 'options.draining.icmp'],
    ['a policy', { draining: { tcp: { deadlineSeconds: Number.NaN } } }, 'options.draining.tcp.deadlineSeconds'],
    ['owns', { owns: '10.0.0.0/8' }, 'options.owns'],
    ['a prefix', { owns: ['10.0.0.1/8'] }, 'options.owns[0]']
  ])('refuses a wrong option: %s', async (_, options, path) => {
    const rig = new Rig()
    const error = await rejection<ValidationError>(rig.sync([], options))
    expect(error).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path })
  })

  it('freezes what it accepted, and leaves alone what it refused', async () => {
    const rig = new Rig()
    const good = { ...web, realServers: [{ ...first }] }
    const bad = { ...dns, realServers: [{ ...first, weight: -1 }] }
    await rejection(rig.plan([good, bad]))
    expect([Object.isFrozen(bad), Object.isFrozen(good)]).toEqual([false, false])
    await rig.plan([good])
    expect([good, good.realServers, good.realServers[0]].map(Object.isFrozen)).toEqual([true, true, true])
  })
})

describe('ownership', () => {
  const range = ['10.96.0.0/16']
  const foreign = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const

  it('removes what earlier syncs of this client were given, and nothing else, by default', async () => {
    const rig = new Rig()
    await rig.sync([{ ...foreign, realServers: [first] }])
    rig.restart()
    await rig.sync([web, dns])
    await rig.sync([web])
    expect([...rig.kernel.services.keys()]).toEqual(['tcp 192.0.2.1:80', 'tcp 10.96.0.1:80'])
  })

  it('removes within its prefixes, in another process too', async () => {
    const rig = new Rig()
    await rig.sync([{ ...foreign, realServers: [first] }, web, dns, { fwmark: 1 }, { ...web, address: 'fd00::1' }])
    rig.restart()
    await rig.sync([dns], { owns: range })
    expect([...rig.kernel.services.keys()]).toEqual(['tcp 192.0.2.1:80', 'udp 10.96.0.2:53', 'fwmark 1', 'tcp [fd00::1]:80'])
  })

  it('removes what a function says', async () => {
    const rig = new Rig()
    await rig.sync([web, dns, { fwmark: 1 }])
    rig.restart()
    await rig.sync([], { owns: ({ fwmark, protocol }) => fwmark !== undefined || protocol === 'udp' })
    expect([...rig.kernel.services.keys()]).toEqual(['tcp 10.96.0.1:80'])
  })

  it('refuses what it could never remove again', async () => {
    const rig = new Rig()
    await rig.sync([{ ...foreign }])
    const error = await rejection<ValidationError>(rig.sync([foreign], { owns: range }))
    expect(error).toMatchObject({ path: 'services', value: 'tcp 192.0.2.1:80' })
    const deletion = await rejection<ValidationError>(rig.sync({ delete: [foreign] }, { owns: range }))
    expect(deletion).toMatchObject({ path: 'delete', value: 'tcp 192.0.2.1:80' })
    expect(rig.kernel.services.size).toBe(1)
  })

  it('never removes what could not be read', async () => {
    const rig = new Rig()
    await rig.sync([web, dns])
    const before = rig.kernel.dump()
    rig.kernel.listFault = () => {
      throw new Error('unreadable')
    }
    await expect(rig.sync([web], { owns: () => true })).rejects.toThrow('unreadable')
    expect(rig.kernel.dump()).toBe(before)
  })
})

describe('a change of some services', () => {
  it('may be given as generators, which are read once', async () => {
    const rig = new Rig()
    await rig.sync([web, dns])
    let asked = 0
    const set = function* (): Generator<DesiredService> {
      asked++
      yield { ...web, realServers: [first] }
    }
    const removed = function* (): Generator<typeof dns> {
      asked++
      yield dns
    }
    const plan = await rig.plan({ set: set(), delete: removed() })
    expect(plan.entries.map(({ action, service }) => `${action} ${service}`)).toEqual([
      'change tcp 10.96.0.1:80',
      'remove udp 10.96.0.2:53'
    ])
    await rig.sync({ set: set(), delete: removed() })
    expect(asked).toBe(4)
    expect([...rig.kernel.services.keys()]).toEqual(['tcp 10.96.0.1:80'])
  })

  it('deletes no list of holes, however long', async () => {
    const rig = new Rig()
    const holes = new Array<typeof dns>(2 ** 24 + 1)
    await expect(rig.plan({ delete: holes })).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path: 'delete' })
  })

  it('leaves all others alone', async () => {
    const rig = new Rig()
    await rig.sync([web, dns])
    const report = await rig.sync({ set: [{ ...web, realServers: [first] }], delete: [{ fwmark: 4 }] })
    expect(report).toMatchObject({ services: { added: 0, updated: 0, removed: 0 }, realServers: { added: 1 } })
    await rig.sync({ delete: [dns] })
    expect([...rig.kernel.services.keys()]).toEqual(['tcp 10.96.0.1:80'])
  })
})

describe('memory', () => {
  it('compares references, and reads only what it has not met', async () => {
    const rig = new Rig()
    const services: DesiredService[] = [
      { ...web, realServers: [first] },
      { ...dns, realServers: [first] }
    ]
    await rig.sync(services)
    const { lists } = rig.kernel
    expect((await rig.plan(services, { from: 'memory' })).isEmpty).toBe(true)
    const changed = [{ ...web, realServers: [first, second] }, services[1]!]
    expect(String(await rig.plan(changed, { from: 'memory' }))).toBe('~ tcp 10.96.0.1:80  + 10.1.0.2:8080 weight 1')
    await rig.sync(changed, { from: 'memory' })
    expect(rig.kernel.lists).toBe(lists)
    await rig.sync([...changed, { fwmark: 3 }], { from: 'memory' })
    expect(rig.kernel.lists).toBe(lists + 1)
    expect((await rig.plan([...changed, { fwmark: 3 }])).isEmpty).toBe(true)
    await rig.sync([changed[0]!], { from: 'memory' })
    expect([...rig.kernel.services.keys()]).toEqual(['tcp 10.96.0.1:80'])
  })

  it.each(['atomic', 'isolate'] as const)('is thrown away where the kernel says otherwise (%s)', async (onError) => {
    const rig = new Rig()
    const services: DesiredService[] = [
      { ...web, realServers: [first] },
      { ...dns, realServers: [first] }
    ]
    await rig.sync(services)
    await rig.meddle(async (ipvs) => await ipvs.removeService(web))
    const changed = [
      { ...web, realServers: [first, second] },
      { ...dns, realServers: [second] }
    ]
    const report = await rig.sync(changed, { from: 'memory', onError })
    expect(report.failed).toEqual([])
    expect((await rig.plan(changed)).isEmpty).toBe(true)
  })

  it('is thrown away, and what was done by it is told where the kernel cannot be read then', async () => {
    const rig = new Rig()
    await rig.sync([
      { ...web, realServers: [first] },
      { ...dns, realServers: [first] }
    ])
    await rig.meddle(async (ipvs) => await ipvs.removeService(web))
    const lost = new Error('lost')
    // What became of the refused ones is read before: they are put back as they were.
    rig.kernel.listFault = () => {
      if (rig.kernel.log.some((text) => text.includes('10.1.0.2'))) throw lost
    }
    const changed = [
      { ...web, realServers: [first, second] },
      { ...dns, realServers: [first, second] }
    ]
    const report = await rig.sync(changed, { from: 'memory', onError: 'isolate' })
    expect(report).toMatchObject({ realServers: { added: 1 }, stopped: lost })
    expect(report.failed).toHaveLength(1)
  })

  it.each(['a list', 'a generator'] as const)('is thrown away, and a change that is given as %s is made all the same', async (form) => {
    const rig = new Rig()
    await rig.sync([
      { ...web, realServers: [first] },
      { ...dns, realServers: [first] }
    ])
    await rig.meddle(async (ipvs) => await ipvs.removeService(web))
    const set: DesiredService[] = [{ ...web, realServers: [first, second] }]
    const removed = [dns]
    const report = await rig.sync(form === 'a list' ? { set, delete: removed } : { set: set.values(), delete: removed.values() }, {
      from: 'memory'
    })
    expect(String(report.plan)).toContain('tcp 10.96.0.1:80')
    expect(report).toMatchObject({ services: { added: 1, removed: 1 }, realServers: { added: 2 } })
    expect([...rig.kernel.services.keys()]).toEqual(['tcp 10.96.0.1:80'])
    expect([...rig.kernel.services.get('tcp 10.96.0.1:80')!.servers.keys()].sort()).toEqual(['10.1.0.1:8080', '10.1.0.2:8080'])
  })

  it('plans one change of 10,000 services with 10 real servers each without asking the kernel', async () => {
    const rig = new Rig()
    const services = Array.from({ length: 10_000 }, (_, index): DesiredService => ({
      protocol: 'tcp',
      address: `10.96.${index >> 8}.${index & 255}`,
      port: 80,
      realServers: Array.from({ length: 10 }, (_, host) => ({ address: `10.1.${index & 255}.${host}`, port: 8080 }))
    }))
    await rig.sync(services)
    const readings = rig.kernel.lists
    const plan = await rig.plan(services.with(7, { ...services[7]!, realServers: [first] }), { from: 'memory' })
    expect(plan.entries.length).toBe(1)
    expect(rig.kernel.lists).toBe(readings)
  }, 60_000)
})
