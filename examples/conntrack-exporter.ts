/**
 * Tells Prometheus of the kernel's connections: how full the table is, what happened to packets, and how many flows each protocol has.
 *
 *   node build/examples/conntrack-exporter.js --listen 127.0.0.1:9466 [--netns /run/netns/blue]
 *   curl http://127.0.0.1:9466/metrics
 *
 * The table is read when Prometheus asks, on a thread of its own. It needs CAP_NET_ADMIN, with `--netns` CAP_SYS_ADMIN, too. It changes nothing.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { Conntrack, ValidationError } from 'netplane'

const USAGE = 'usage: conntrack-exporter [--listen ADDRESS:PORT] [--netns PATH|NAME]'
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 47: 'gre', 58: 'icmpv6', 132: 'sctp' }

function metric(name: string, type: 'gauge' | 'counter', samples: Iterable<readonly [labels: string, value: number]>): string {
  return [`# TYPE ${name} ${type}`, ...Array.from(samples, ([labels, value]) => `${name}${labels} ${value}`), ''].join('\n')
}

async function metrics(conntrack: Conntrack): Promise<string> {
  const { entries, maxEntries } = await conntrack.readUsage()
  const [flows, events] = [new Map<string, number>(), new Map<string, number>()]
  const count = (counts: typeof flows, label: string, more: number): unknown => counts.set(label, (counts.get(label) ?? 0) + more)
  for (const { protocol } of await conntrack.listColumns())
    for (const number of protocol) count(flows, `{protocol="${PROTOCOLS[number] ?? number}"}`, 1)
  for (const { counters } of await conntrack.readStatistics())
    for (const [event, times] of Object.entries(counters)) count(events, `{event="${event}"}`, times)
  const usage = metric('conntrack_entries', 'gauge', [['', entries]]) + metric('conntrack_entries_limit', 'gauge', [['', maxEntries]])
  return usage + metric('conntrack_flows', 'gauge', flows) + metric('conntrack_events_total', 'counter', events)
}

async function main(): Promise<void> {
  const { listen = '127.0.0.1:9466', netns } = parseArgs({ options: { listen: { type: 'string' }, netns: { type: 'string' } } }).values
  const [, host, port] = /^\[?([\da-f.:]+?)\]?:(\d{1,5})$/i.exec(listen) ?? []
  if (host === undefined || Number(port) > 65_535) throw new ValidationError('--listen', listen, 'ADDRESS:PORT')
  const conntrack = await Conntrack.open({ netns })
  const server = createServer(({ url }, response) => {
    if (url !== '/metrics') return void response.writeHead(404).end()
    metrics(conntrack).then(
      (text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error))
    )
  })
  await once(server.listen(Number(port), host), 'listening')
  console.log(`http://${listen}/metrics`)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close().closeAllConnections())
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof TypeError ? 2 : 1 // of parseArgs, or a ValidationError
  console.error(error instanceof TypeError ? `${error.message.split('\n')[0]}; ${USAGE}` : (error as Error).message)
})
