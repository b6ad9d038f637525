import { readFile, writeFile } from 'node:fs/promises'
import { onTestFinished, expect, it } from 'vitest'
import { Conntrack, UnsupportedError, type FlowInput, type UsageEvent } from '../../../src/index.js'
import { rejection } from '../../support/rejection.js'
import { attempt } from '../../support/run.js'

function flow(port: number): FlowInput {
  return {
    protocol: 'udp',
    original: { source: '192.0.2.1', destination: '192.0.2.2', sourcePort: port, destinationPort: 53 },
    timeoutSeconds: 300
  }
}

/** The machine of the lab is ours, so its initial namespace is too: elsewhere the limits can be read only. */
it('writes the limits that only the initial namespace may write, and warns by them', async () => {
  const conntrack = await Conntrack.open()
  const before = await conntrack.readSettings(['maxEntries', 'buckets'])
  onTestFinished(async () => {
    await conntrack.flush({ allFlows: true })
    await conntrack.writeSettings(before)
    await conntrack.close()
  })
  await conntrack.flush({ allFlows: true })
  await conntrack.writeSettings({ maxEntries: 50, buckets: 1024 })
  expect(await conntrack.readSettings(['maxEntries', 'buckets'])).toEqual({ maxEntries: 50, buckets: 1024 })
  expect(await conntrack.readUsage()).toMatchObject({ maxEntries: 50 })

  const events = conntrack.watchUsage({ warnAt: 0.8, intervalMs: 10 })
  const next = async (): Promise<UsageEvent> => {
    const result = (await events.next()) as IteratorResult<UsageEvent, undefined>
    if (result.done === true) throw new Error('the watch ended')
    return result.value
  }
  await conntrack.addFlows(Array.from({ length: 45 }, (_, index) => flow(1000 + index)))
  expect(await next()).toMatchObject({ type: 'high', maxEntries: 50 })
  await conntrack.removeWhere({ protocol: 'udp', originalSource: '192.0.2.1' })
  expect(await next()).toMatchObject({ type: 'normal', maxEntries: 50 })
  await events.return()
})

/** A module that cannot be loaded, as in a kernel without it: nobody else may use connection tracking in this machine meanwhile. */
it('says that nf_conntrack_netlink is missing, and what brings it', async () => {
  const loader = '/proc/sys/kernel/modprobe'
  const before = await readFile(loader, 'utf8')
  onTestFinished(() => writeFile(loader, before))
  // Its socket keeps nfnetlink itself, on which the module stands.
  await using conntrack = await Conntrack.open()
  await attempt('modprobe', ['-r', 'nf_conntrack_netlink'])
  await writeFile(loader, '/bin/false\n')
  const calls = {
    list: () => conntrack.list(),
    count: () => conntrack.count({ filter: { protocol: 'udp', family: 'ip' } }),
    removeWhere: () => conntrack.removeWhere({ protocol: 'udp' }),
    iterate: () => conntrack.iterate().next(),
    usage: () => conntrack.readUsage()
  }
  for (const call of Object.values(calls)) {
    const error = await rejection(call())
    expect(error).toBeInstanceOf(UnsupportedError)
    expect(error).toMatchObject({
      missing: 'nf_conntrack_netlink',
      message: expect.stringContaining('modprobe nf_conntrack_netlink') as string
    })
  }
  await writeFile(loader, before)
  expect(await conntrack.count()).toBeGreaterThanOrEqual(0)
})
