import { describe, expect, it } from 'vitest'
import { Conntrack } from '../../../src/conntrack/client.js'
import type { FlowFilter } from '../../../src/conntrack/filter.js'
import { ClosedError, NetlinkError, ValidationError } from '../../../src/core/errors.js'
import { trackedNamespace, udpFlow, udpFlows } from '../../support/conntrack.js'
import { rejection } from '../../support/rejection.js'

describe('refusals', () => {
  it('of filters that can never hold, before anything is sent', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.addFlows(udpFlows(3))
    for (const [filter, path, allowed] of [
      [{ family: 'ip', originalSource: 'fd00::/8' }, 'originalSource', 'an IPv4 address'],
      [{ originalSource: '10.0.0.0/8', replySource: 'fd00::1' }, 'replySource', 'an IPv4 address'],
      [{ family: 'ip6', originalDestination: ['fd00::1', '10.0.0.1'] }, 'originalDestination[1]', 'an IPv6 address'],
      [{ zone: 65_536 }, 'zone', '0 to 65535'],
      [{ originalZone: -1 }, 'originalZone', '0 to 65535'],
      [{ replyZone: 1.5 }, 'replyZone', '0 to 65535'],
      [{ protocol: 'icmp', originalSourcePort: 1 }, 'originalSourcePort', 'no ports'],
      [{ state: 'established' }, 'state', 'protocol tcp']
    ] as const) {
      for (const call of [
        conntrack.list({ filter: filter as FlowFilter }),
        conntrack.count({ filter: filter as FlowFilter }),
        conntrack.removeWhere(filter),
        conntrack.watch({ filter: filter as FlowFilter })
      ]) {
        const refusal = await rejection<ValidationError>(call)
        expect(refusal).toBeInstanceOf(ValidationError)
        expect(refusal.path.endsWith(`.${path}`), refusal.path).toBe(true)
        expect(refusal.message).toContain(allowed)
      }
      expect(() => conntrack.iterate({ filter: filter as FlowFilter })).toThrow(ValidationError)
    }
    expect(await conntrack.count()).toBe(3)
  })

  it.each<[code: string, hint: string, provoke: (conntrack: Conntrack) => Promise<unknown>]>([
    ['EEXIST', 'a flow with one of these tuples is there already', (conntrack) => conntrack.add(udpFlow(1))],
    ['ENOENT', 'there is no such flow (any more)', (conntrack) => conntrack.update(udpFlow(2), { mark: 1 })],
    [
      'EBUSY',
      'this status bit, or the helper of a flow that has one, cannot be changed',
      async (conntrack) => {
        await conntrack.add(udpFlow(4, { helper: 'tftp' }))
        return await conntrack.update(udpFlow(4), { helper: 'amanda' })
      }
    ],
    ['EOPNOTSUPP', 'the kernel knows no such helper', (conntrack) => conntrack.add(udpFlow(3, { helper: 'absent' }))],
    ['ENOSPC', 'the flow has no room for labels', (conntrack) => conntrack.update(udpFlow(1), { labels: [3] })]
  ])('say by %s that %s', async (code, hint, provoke) => {
    await using tracked = await trackedNamespace()
    await tracked.conntrack.add(udpFlow(1))
    const error = await rejection<NetlinkError>(provoke(tracked.conntrack))
    const told = error.cause instanceof NetlinkError ? error.cause : error
    expect({ code: told.code, hint: told.hint?.slice(0, hint.length) }).toEqual({ code, hint })
  })

  it('of everything, without CAP_NET_ADMIN', async () => {
    await using tracked = await trackedNamespace()
    await tracked.conntrack.addFlows(udpFlows(2))
    const { namespace } = tracked
    // A user namespace that owns nothing: it may open sockets in this network namespace, and nothing more.
    const script = `
      import { Conntrack } from ${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)}
      const flow = { protocol: 'udp', original: { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 2 }, timeoutSeconds: 9 }
      const conntrack = await Conntrack.open()
      const calls = {
        list: () => conntrack.list(), columns: () => conntrack.listColumns(), iterate: () => conntrack.iterate().next(), count: () => conntrack.count(),
        get: () => conntrack.get(flow), add: () => conntrack.add(flow), update: () => conntrack.update(flow, { mark: 1 }), remove: () => conntrack.remove(flow),
        removeWhere: () => conntrack.removeWhere({ protocol: 'udp' }), flush: () => conntrack.flush({ allFlows: true }), expectations: () => conntrack.listExpectations(),
        usage: () => conntrack.readUsage(), statistics: () => conntrack.readStatistics(), watch: () => conntrack.watch()
      }
      for (const [name, call] of Object.entries(calls)) {
        const outcome = await call().then(() => 'fine', (error) => error.code + ' ' + (error.cause?.code ?? error.errors?.[0]?.code ?? '') + ' ' + error.message)
        console.log(name + ': ' + outcome)
      }
      await conntrack.close()`
    const output = await namespace.run('unshare', ['--user', process.execPath, '--input-type=module', '--eval', script])
    const outcomes = Object.fromEntries(
      output
        .trim()
        .split('\n')
        .map((line) => line.split(/: (.*)/s) as [string, string])
    )
    for (const [name, outcome] of Object.entries(outcomes)) {
      expect(outcome, name).toMatch(/EPERM.*CAP_NET_ADMIN/)
    }
    expect(Object.keys(outcomes)).toHaveLength(14)
    expect(await tracked.conntrack.count()).toBe(2)
  })

  it('of what is no namespace, and after the end', async () => {
    expect(await rejection(Conntrack.open({ netns: '/proc/self/status' }))).toMatchObject({ code: 'EINVAL' })
    const missing = await rejection<NetlinkError>(Conntrack.open({ netns: 'there-is-none' }))
    expect(missing).toBeInstanceOf(NetlinkError)
    expect(missing).toMatchObject({ code: 'ENOENT', operation: 'conntrack.open', subject: 'network namespace /run/netns/there-is-none' })

    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.close()
    await conntrack.close()
    for (const call of [
      () => conntrack.list(),
      () => conntrack.get(udpFlow(1)),
      () => conntrack.add(udpFlow(1)),
      () => conntrack.addFlows([udpFlow(1)]),
      () => conntrack.removeWhere({ protocol: 'udp' }),
      () => conntrack.readSettings(['events']),
      () => conntrack.readUsage()
    ])
      expect(await rejection(call())).toBeInstanceOf(ClosedError)
    expect(() => conntrack.watchUsage()).toThrow(ClosedError)
  })
})
