import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { UsageEvent } from '../../../src/conntrack/usage.js'
import { NetlinkError, ValidationError } from '../../../src/core/errors.js'
import { trackedNamespace, TRACKING, sendPackets, udpFlows } from '../../support/conntrack.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { rejection } from '../../support/rejection.js'

const root = '/proc/sys/net/netfilter'

describe('settings', () => {
  it('are those of the namespace, every one that the kernel has', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack, namespace } = tracked
    const settings = await conntrack.readSettings()
    const files = (await namespace.run('sh', ['-c', `cd ${root} && grep -H . nf_conntrack_*`])).trim().split('\n')
    const known = Object.values(settings).length
    // Those of protocols that few kernels have (dccp), and of debugging, have no name.
    const unnamed = /nf_conntrack_(dccp|frag6|bridge)/
    expect(files.filter((line) => !unnamed.test(line)).length).toBe(known)
    expect(settings).toMatchObject({
      accounting: false,
      timestamps: false,
      events: isOlderThan('5.19') ? 1 : 2,
      entries: 0,
      udpTimeoutSeconds: 30
    })
    expect(settings.maxEntries).toBe(Number(readFileSync(`${root}/nf_conntrack_max`, 'utf8')))
    expect(await conntrack.readSettings([])).toEqual({})
  })

  it('are written, in this namespace alone', async () => {
    await using tracked = await trackedNamespace()
    await using other = await trackedNamespace()
    const { conntrack, namespace } = tracked
    await conntrack.writeSettings({
      accounting: true,
      tcpBeLiberal: true,
      udpTimeoutSeconds: 17,
      tcpMaxRetransmissions: 255,
      logInvalid: 0
    })
    expect(
      await conntrack.readSettings(['accounting', 'tcpBeLiberal', 'udpTimeoutSeconds', 'tcpMaxRetransmissions', 'logInvalid'])
    ).toEqual({
      accounting: true,
      tcpBeLiberal: true,
      udpTimeoutSeconds: 17,
      tcpMaxRetransmissions: 255,
      logInvalid: 0
    })
    const shown = await namespace.run('sh', [
      '-c',
      `cd ${root}; cat nf_conntrack_acct nf_conntrack_tcp_be_liberal nf_conntrack_udp_timeout`
    ])
    expect(shown.trim().split('\n')).toEqual(['1', '1', '17'])
    expect(await other.conntrack.readSettings(['accounting', 'udpTimeoutSeconds'])).toEqual({ accounting: false, udpTimeoutSeconds: 30 })
    await conntrack.writeSettings({ accounting: false })
    expect(await conntrack.readSettings(['accounting'])).toEqual({ accounting: false })
  })

  it('that only the initial namespace may write are refused with what would help', async () => {
    await using tracked = await trackedNamespace()
    for (const name of ['maxEntries', 'buckets'] as const) {
      const refusal = await rejection<NetlinkError>(tracked.conntrack.writeSettings({ [name]: 100_000 }))
      expect(refusal).toBeInstanceOf(NetlinkError)
      expect(['EACCES', 'EPERM', 'EROFS']).toContain(refusal.code)
      expect(refusal.message).toContain(`setting ${name} (nf_conntrack_`)
      expect(refusal.message).toContain('initial network namespace')
    }
  })

  it('that are none are refused before anything is written', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    for (const [settings, path] of [
      [{ accounting: true, udpTimeout: 1 }, 'settings.udpTimeout'],
      [{ accounting: true, udpTimeoutSeconds: -1 }, 'settings.udpTimeoutSeconds'],
      [{ accounting: true, udpTimeoutSeconds: 2 ** 31 }, 'settings.udpTimeoutSeconds'],
      [{ accounting: true, events: 3 }, 'settings.events'],
      [{ accounting: true, checksum: 1 }, 'settings.checksum'],
      [{ accounting: true, entries: 1 }, 'settings.entries'],
      [{ accounting: true, toString: 1 }, 'settings.toString']
    ] as const) {
      const refusal = await rejection<ValidationError>(conntrack.writeSettings(settings as never))
      expect(refusal).toBeInstanceOf(ValidationError)
      expect(refusal.path).toBe(path)
    }
    expect(await conntrack.readSettings(['accounting'])).toEqual({ accounting: false })
    expect(await rejection(conntrack.readSettings(['udpTimeout' as never]))).toMatchObject({ path: 'names[0]' })
    expect(await rejection(conntrack.writeSettings(null as never))).toBeInstanceOf(ValidationError)
  })
})

describe('statistics', () => {
  it('are those of conntrack(8), a processor each', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 1, 1], ['udp', '127.0.0.1', '127.0.0.2', 1, 1])
    const statistics = await conntrack.readStatistics()
    const shown = (await namespace.run('conntrack', ['-S'])).trim().split('\n')
    expect(statistics).toHaveLength(shown.length)
    for (const [index, line] of shown.entries()) {
      const fields = Object.fromEntries([...line.matchAll(/(\w+)=(\d+)/g)].map(([, name, value]) => [name!, Number(value)]))
      const { processor, counters } = statistics[index]!
      expect(processor).toBe(fields['cpu'])
      expect(counters).toMatchObject({
        found: fields['found'],
        invalid: fields['invalid'],
        insert: fields['insert'],
        insertFailed: fields['insert_failed'],
        drop: fields['drop'],
        earlyDrop: fields['early_drop'],
        error: fields['error'],
        searchRestart: fields['search_restart']
      })
    }
    const expectations = await conntrack.readStatistics({ of: 'expectations' })
    expect(expectations.map(({ counters }) => counters)).toEqual(statistics.map(() => ({ new: 0, create: 0, delete: 0 })))
    expect(await rejection(conntrack.readStatistics({ of: 'packets' as never }))).toMatchObject({ path: 'options.of' })
  })

  it('say how full the table is', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack, namespace } = tracked
    await conntrack.addFlows(udpFlows(77))
    const { entries, maxEntries } = await conntrack.readUsage()
    expect(entries).toBe(Number(await namespace.run('conntrack', ['-C'])))
    expect(entries).toBe(77)
    expect(maxEntries).toBe((await conntrack.readSettings(['maxEntries'])).maxEntries)
  })
})

describe('watchUsage', () => {
  it('reports when the table passes the mark, and when it is below again', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const { maxEntries } = await conntrack.readUsage()
    // As many as fill a share of the limit, whatever it is here: some thousand at most.
    const many = Math.min(2000, Math.ceil(maxEntries / 4))
    const warnAt = many / maxEntries
    await using events = conntrack.watchUsage({ warnAt, intervalMs: 10 })
    const high = events.next()
    await conntrack.addFlows(udpFlows(Math.ceil(many * 0.95)))
    expect(await Promise.race([high, new Promise((resolve) => setTimeout(resolve, 60, 'quiet'))])).toBe('quiet')
    await conntrack.addFlows(udpFlows(many + 1), { ensure: true })
    const full = (await high).value as UsageEvent
    expect(full).toMatchObject({ type: 'high', entries: many + 1, maxEntries })
    expect(full.share).toBeCloseTo((many + 1) / maxEntries)
    const normal = events.next()
    await conntrack.flush({ allFlows: true })
    const calm = (await normal).value as UsageEvent
    expect(calm).toMatchObject({ type: 'normal', maxEntries })
  })

  it('ends with its signal and its client, and refuses what is no option', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const controller = new AbortController()
    const aborted = rejection(conntrack.watchUsage({ signal: controller.signal }).next())
    controller.abort(new Error('enough'))
    expect(await aborted).toMatchObject({ message: 'enough' })
    for (const [options, path] of [
      [{ warnAt: 0 }, 'options.warnAt'],
      [{ warnAt: 1.1 }, 'options.warnAt'],
      [{ intervalMs: 9 }, 'options.intervalMs']
    ] as const) {
      expect(() => conntrack.watchUsage(options)).toThrow(expect.objectContaining({ path }))
    }
    const pending = conntrack.watchUsage({ intervalMs: 10 }).next()
    await conntrack.close()
    expect(await pending).toEqual({ value: undefined, done: true })
  })
})
