import { describe, expect, it } from 'vitest'
import { sendPackets, trackedNamespace, TRACKING, udpFlows } from '../../support/conntrack.js'
import { endExample, expectRefused, programOf, startExample } from '../../support/example-program.js'
import type { TestNamespace } from '../../support/namespace.js'

const LISTEN = '127.0.0.1:9466'

/** The samples that the exporter gives, by name and labels. */
async function scrape(namespace: TestNamespace): Promise<Record<string, number>> {
  const script = `fetch('http://${LISTEN}/metrics').then(async (response) => console.log(await response.text()))`
  const lines = (await namespace.run(process.execPath, ['-e', script])).split('\n')
  return Object.fromEntries(
    lines.filter((line) => /^\w/.test(line)).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))])
  )
}

describe('conntrack exporter', () => {
  it('counts what the kernel tracks, packets of its own namespace and flows of others', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { namespace, conntrack } = tracked
    const program = await startExample(namespace, 'conntrack-exporter', `http://${LISTEN}/metrics`, '--listen', LISTEN)
    const before = await scrape(namespace)
    expect(before).toMatchObject({ conntrack_entries_limit: (await conntrack.readUsage()).maxEntries })
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 4000, 5353], ['udp', '127.0.0.1', '127.0.0.3', 4000, 5353])
    await conntrack.addFlows(udpFlows(5))
    const after = await scrape(namespace)
    const udp = '{protocol="udp"}'
    expect(after[`conntrack_flows${udp}`]).toBe((before[`conntrack_flows${udp}`] ?? 0) + 7)
    // The connections of the two scrapes are tracked, too.
    expect(after['conntrack_flows{protocol="tcp"}']).toBe(await conntrack.count({ filter: { protocol: 'tcp' } }))
    expect(after['conntrack_entries']).toBe((await conntrack.readUsage()).entries)
    const statistics = await conntrack.readStatistics()
    const invalid = statistics.reduce((sum, { counters }) => sum + (counters['invalid'] ?? 0), 0)
    expect(after['conntrack_events_total{event="invalid"}']).toBe(invalid)
    await endExample(program)
  })

  it('says 404 to other paths, works in another namespace, and ends with a scraper still connected', async () => {
    await using tracked = await trackedNamespace()
    const { namespace, conntrack } = tracked
    await conntrack.addFlows(udpFlows(3))
    await using other = await trackedNamespace()
    const program = await startExample(other.namespace, 'conntrack-exporter', LISTEN, '--listen', LISTEN, '--netns', namespace.path)
    expect(await scrape(other.namespace)).toMatchObject({ conntrack_entries: 3, 'conntrack_flows{protocol="udp"}': 3 })
    const status = `fetch('http://${LISTEN}/').then(({ status }) => console.log(status))`
    expect(await other.namespace.run(process.execPath, ['-e', status])).toBe('404\n')
    const keepAlive = `require('node:net').connect(9466, '127.0.0.1', () => console.log('connected'))`
    const scraper = other.namespace.background(process.execPath, ['-e', keepAlive])
    await scraper.waitFor('connected')
    await endExample(program, 'SIGINT')
  })

  it('says in a line that its address is taken', async () => {
    await using tracked = await trackedNamespace()
    const { namespace } = tracked
    await startExample(namespace, 'conntrack-exporter', LISTEN, '--listen', LISTEN)
    const second = await namespace.attempt(process.execPath, [programOf('conntrack-exporter'), '--listen', LISTEN])
    expect(second).toMatchObject({ status: 1, stdout: '', stderr: `listen EADDRINUSE: address already in use ${LISTEN}\n` })
  })

  it.each([
    [['--listen', '9466'], '--listen is "9466"'],
    [['--listen', '127.0.0.1:99999'], '--listen is'],
    [['--nets', 'x'], "Unknown option '--nets'"]
  ])('refuses %j', async (args, problem) => {
    await expectRefused('conntrack-exporter', args, problem)
  })
})
