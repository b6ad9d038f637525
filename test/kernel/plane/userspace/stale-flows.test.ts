import { expect, it } from 'vitest'
import type { Service, StaleFlowReport } from '../../../../src/index.js'
import { newestAnswers, speakTo } from '../../../support/one-port-client.js'
import { makeRelayNetwork, openRelayPlane, RELAYED, relayed } from '../../../support/relay-plane.js'
import type { Background } from '../../../support/run.js'

/** Asks from many ports, one after the other, for about two seconds, and prints how often it was answered. */
const ASKER = `
import socket, sys, time
answered = 0
for _ in range(400):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect((sys.argv[1], 53))
    try: s.send(b'x'); s.recv(100); answered += 1
    except OSError: pass
    s.close(); time.sleep(0.005)
print('answered', answered, 'of 400')
`

const dns = (servers: readonly number[], frontend: Partial<Service['frontends'][number]> = {}): ReadonlyMap<string, Service> =>
  relayed(servers, 53, { protocol: 'udp', frontends: [{ kind: 'loadBalancer', address: RELAYED, port: 53, ...frontend } as never] })

/** Waits until the newest answers are those of a server. */
async function answeredBy(speaker: Background, server: string): Promise<void> {
  await expect
    .poll(() => newestAnswers(speaker, 3), { timeout: 5_000 })
    .toEqual(Array(3).fill(expect.stringMatching(new RegExp(`^${server} `))))
}

it('a client that goes on sending from one port is served, whatever becomes of its endpoint and its relay', async () => {
  const network = await makeRelayNetwork(2)
  const plane = await openRelayPlane(network)
  await plane.sync(dns([1]))
  const speaker = speakTo(network, RELAYED)
  await answeredBy(speaker, 's1')
  // The endpoint goes.
  await plane.sync(dns([2]))
  await answeredBy(speaker, 's2')
  expect(speaker.output()).not.toContain('Error')
  // Another relay takes the frontend, and the first one ends.
  await plane.sync(dns([1], { trafficPolicy: 'local' }))
  await answeredBy(speaker, 's1')
  await plane.sync(dns([2]))
  await answeredBy(speaker, 's2')
  // All endpoints go, and one comes.
  await plane.sync(dns([]))
  await expect.poll(() => newestAnswers(speaker, 1)).toEqual(['ConnectionRefusedError'])
  await plane.sync(dns([1]))
  await answeredBy(speaker, 's1')
})

it('a client that goes on sending from one port is served by the relays of the next process', async () => {
  const network = await makeRelayNetwork(1)
  const first = await openRelayPlane(network)
  await first.sync(dns([1]))
  const speaker = speakTo(network, RELAYED)
  await answeredBy(speaker, 's1')
  await first.close()
  await expect.poll(() => newestAnswers(speaker, 1)).toEqual(['ConnectionRefusedError'])
  await (await openRelayPlane(network)).sync(dns([1]))
  await answeredBy(speaker, 's1')
})

it('leaves flows alone that lead to the relay of their frontend', async () => {
  const network = await makeRelayNetwork(1)
  const plane = await openRelayPlane(network)
  const reports: StaleFlowReport[] = []
  void (async () => {
    for await (const event of plane.watch()) if (event.type === 'flows') reports.push(event.report)
  })()
  await plane.sync(dns([1]))
  // Each of these makes a flow of its own, before the second look and after it.
  expect((await network.client.run('python3', ['-c', ASKER, RELAYED])).trim()).toBe('answered 400 of 400')
  await expect.poll(() => reports.length, { timeout: 5_000 }).toBeGreaterThan(1)
  const [, second] = reports
  expect(second!.scanned).toBeGreaterThan(50)
  expect(second!.deleted).toBe(0)
})
