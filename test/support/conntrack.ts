import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { Conntrack } from '../../src/conntrack/client.js'
import type { ConntrackOptions } from '../../src/conntrack/open.js'
import type { Flow, FlowInput, FlowTuple } from '../../src/conntrack/types.js'
import type { Background } from './run.js'
import { makeNamespace, type TestNamespace } from './namespace.js'

/** A namespace and a client in it. */
export interface TrackedNamespace extends AsyncDisposable {
  readonly namespace: TestNamespace
  readonly conntrack: Conntrack
}

/** Rules that make the kernel track the packets that the namespace sends itself, and give every flow room for labels (which needs a rule that uses some). */
export const TRACKING = `
table inet tracking {
  chain output {
    type filter hook output priority 0;
    ct state new ct label set 0
  }
}`

/** Makes a namespace with a client. `rules`: a script for nft; none, and the kernel tracks no packets there. */
export async function trackedNamespace(rules = '', options: ConntrackOptions = {}): Promise<TrackedNamespace> {
  const namespace = await makeNamespace()
  if (rules !== '') await namespace.nftScript(rules)
  const conntrack = await Conntrack.open({ netns: namespace.path, ...options })
  return { namespace, conntrack, [Symbol.asyncDispose]: () => conntrack.close() }
}

/** A UDP flow to create, one of many: `number` says which. */
export function udpFlow(number: number, more: Partial<FlowInput> = {}): FlowInput {
  const source = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
  return {
    protocol: 'udp',
    original: { source, destination: '10.96.0.10', sourcePort: 1024 + (number % 60_000), destinationPort: 53 },
    timeoutSeconds: 600,
    ...more
  }
}

export function udpFlows(count: number, more: (number: number) => Partial<FlowInput> = () => ({})): FlowInput[] {
  return Array.from({ length: count }, (_, number) => udpFlow(number, more(number)))
}

const PACKETS = fileURLToPath(new URL('packets.py', import.meta.url))

/** A packet for {@link sendPackets}: see packets.py. */
export type Packet = readonly [protocol: string | number, source: string, destination: string, first?: number, second?: number]

/** Sends single packets from the namespace. */
export async function sendPackets(namespace: TestNamespace, ...packets: readonly Packet[]): Promise<void> {
  const args = packets.flatMap(([protocol, source, destination, first = 0, second = 0]) => [protocol, source, destination, first, second])
  await namespace.run('python3', [PACKETS, 'send', ...args.map(String)])
}

/** Opens an FTP control connection inside the namespace and announces a data connection; both last until the test ends. */
export async function openFtp(namespace: TestNamespace, source: string, destination: string): Promise<Background> {
  const program = namespace.background('python3', [PACKETS, 'ftp', source, destination])
  await program.waitFor('ready')
  return program
}

const NAMES: Readonly<Record<string, readonly [number, string]>> = {
  tcp: [6, 'tcp'],
  udp: [17, 'udp'],
  udplite: [136, 'udplite'],
  sctp: [132, 'sctp'],
  dccp: [33, 'dccp'],
  gre: [47, 'gre'],
  icmp: [1, 'icmp'],
  icmpv6: [58, 'icmpv6']
}

/** How conntrack(8) writes states; those not here are the same but for case and hyphens. */
const STATES: Readonly<Record<string, string>> = { 'syn-received': 'SYN_RECV', 'shutdown-received': 'SHUTDOWN_RECD' }

function tupleWords(tuple: FlowTuple, direction: 'orig' | 'reply'): string[] {
  const { source, destination, sourcePort, destinationPort, icmpId, icmpType, icmpCode, sourceKey, destinationKey, zone } = tuple
  return [
    `src=${source}`,
    `dst=${destination}`,
    ...(sourcePort === undefined ? [] : [`sport=${sourcePort}`, `dport=${destinationPort}`]),
    ...(icmpType === undefined ? [] : [`type=${icmpType}`, `code=${icmpCode}`, `id=${icmpId}`]),
    ...(sourceKey === undefined ? [] : [`srckey=0x${sourceKey.toString(16)}`, `dstkey=0x${destinationKey!.toString(16)}`]),
    ...(zone === undefined ? [] : [`zone-${direction}=${zone}`])
  ]
}

/** A flow as `conntrack -L -o extended,id,labels` writes it, word for word but for the time that is left. */
export function lineOf(flow: Flow): string {
  const [number, name] = typeof flow.protocol === 'number' ? [flow.protocol, 'unknown'] : NAMES[flow.protocol]!
  const counters = (direction: 'original' | 'reply'): string[] => {
    const counted = flow.counters?.[direction]
    return counted === undefined ? [] : [`packets=${counted.packets}`, `bytes=${counted.bytes}`]
  }
  const optional = (key: string, value: string | number | undefined): string[] => (value === undefined ? [] : [`${key}=${value}`])
  const words = [
    ...(flow.family === 'ip' ? ['ipv4', '2'] : ['ipv6', '10']),
    name,
    number,
    ...(flow.state === undefined ? [] : [STATES[flow.state] ?? flow.state.toUpperCase().replaceAll('-', '_')]),
    ...tupleWords(flow.original, 'orig'),
    ...counters('original'),
    ...(flow.status.includes('seen-reply') ? [] : ['[UNREPLIED]']),
    ...tupleWords(flow.reply, 'reply'),
    ...counters('reply'),
    ...(flow.status.includes('assured') ? ['[ASSURED]'] : []),
    ...optional('mark', flow.mark),
    ...optional('zone', flow.zone),
    ...optional('helper', flow.helper),
    ...optional('use', flow.use),
    ...optional('id', flow.id),
    ...(flow.labels === undefined || flow.labels.length === 0 ? [] : [`labels=${flow.labels.map((label) => `bit${label}`).join(',')}`])
  ]
  return words.join(' ')
}

/** conntrack(8) gives labels names out of a file, which is put there for this one call. */
const LIST = `
mount -t tmpfs none /etc
mkdir /etc/xtables
for bit in $(seq 0 127); do echo "$bit bit$bit"; done >/etc/xtables/connlabel.conf
exec conntrack -L "$@"`

/** What conntrack(8) lists, a line a flow, sorted: without the time that is left, which is an entry of its own. */
export async function shownFlows(
  namespace: TestNamespace,
  ...args: readonly string[]
): Promise<{ line: string; timeoutSeconds: number }[]> {
  const output = await namespace.run('sh', ['-ec', LIST, 'sh', '-o', 'extended,id,labels', ...args])
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const words = line.trim().split(/\s+/)
      const [timeout] = words.splice(4, 1)
      // Seconds since it began, of flows with time stamps.
      return { line: words.filter((word) => !word.startsWith('delta-time=')).join(' '), timeoutSeconds: Number(timeout) }
    })
    .sort((a, b) => (a.line < b.line ? -1 : 1))
}

/** When flows began, in nanoseconds since 1970, by id: only the XML of conntrack(8) tells it exactly. */
export async function shownStarts(namespace: TestNamespace): Promise<Map<number, bigint>> {
  const output = await namespace.run('conntrack', ['-L', '-o', 'xml,id,ktimestamp'])
  const found = output.matchAll(/<flow>.*?<id>(\d+)<\/id>.*?<timestamp><start>(\d+)<\/start>.*?<\/flow>/g)
  return new Map([...found].map(([, id, start]) => [Number(id), BigInt(start!)]))
}

/** Both list the same flows, and agree on everything that conntrack(8) tells of them. */
export async function expectAsShown(namespace: TestNamespace, flows: readonly Flow[]): Promise<void> {
  const shown = await shownFlows(namespace)
  const sorted = flows.map((flow) => ({ line: lineOf(flow), flow })).sort((a, b) => (a.line < b.line ? -1 : 1))
  // The kernel itself may hold a flow for a moment.
  const lasting = (line: string): string => line.replace(/ use=\d+/, '')
  expect(sorted.map(({ line }) => lasting(line))).toEqual(shown.map(({ line }) => lasting(line)))
  for (const [index, { flow }] of sorted.entries())
    expect(Math.abs(flow.timeoutSeconds! - shown[index]!.timeoutSeconds), shown[index]!.line).toBeLessThanOrEqual(5)
}
