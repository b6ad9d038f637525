import { inspect } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { Conntrack } from '../../src/conntrack/client.js'
import { Ipvs } from '../../src/ipvs/client.js'
import { accept, counter, ip, meta, rule, tcp } from '../../src/nftables.js'
import { Nftables } from '../../src/nftables/client.js'
import { Transaction } from '../../src/nftables/transaction.js'
import { Route } from '../../src/route/client.js'
import { FakeConntrackKernel, FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../src/testing.js'
import { isPermitted, methodsOf, oddValues, placesOf, withValueAt } from '../support/odd-values.js'

// Thousands of calls a test.
vi.setConfig({ testTimeout: 120_000 })

type Arguments = readonly unknown[]
/** Good arguments of every method that takes some, several where it takes several forms: what stands in them is exchanged for odd values, one at a time. */
type Examples = Readonly<Record<string, readonly Arguments[]>>

const call = { deadlineMs: 1000, signal: new AbortController().signal }
const monitoring = { signal: call.signal, receiveBufferBytes: 65_536, queueLimit: 8, ref: false }
const opening = { ...call, netns: '/proc/self/ns/net', sendBufferBytes: 65_536, receiveBufferBytes: 65_536 }

const inTable = { family: 'ip', table: 't' } as const
const named = (name: string): object => ({ ...inTable, name })
const addresses = {
  ...inTable,
  name: 's',
  key: ['ipv4_addr', 'inet_service'],
  flags: ['interval', 'timeout'],
  typeof: { key: ['ip daddr'] }
}
const verdicts = {
  ...inTable,
  name: 'm',
  key: 'ipv4_addr',
  data: 'verdict',
  timeoutMs: 5,
  gcIntervalMs: 5,
  size: 5,
  policy: 'memory',
  comment: 'a'
}
const expressions = [
  { type: 'cmp', sreg: 1, op: 'eq', data: Uint8Array.of(1) },
  { type: 'immediate', dreg: 0, data: { verdict: { code: 'accept' } } }
]
const rows = {
  rows: 1,
  key: new Uint8Array(4),
  flags: new Uint32Array(1),
  timeoutMs: new Float64Array(1),
  verdict: new Int32Array(1),
  verdictChain: new Uint32Array(1),
  verdictChainTable: ['c'],
  userdata: new Uint8Array(1),
  userdataOffsets: Uint32Array.of(0, 1)
}
const statements = [ip.daddr.eq('10.0.0.1'), tcp.dport.in([80, 81]), meta.mark.set(1), counter(), accept()]
const inFamily = { ...call, family: 'ip', table: 't', chain: 'c', elements: true, reset: true }
const elements: readonly Arguments[] = [
  [
    { ...addresses },
    [{ key: ['10.0.0.1-10.0.0.9', 80], timeoutMs: 5, expirationMs: 5, comment: 'a', counter: { packets: 1n, bytes: 1n } }],
    { exclusive: true }
  ],
  [
    verdicts,
    [
      { key: '10.0.0.1', verdict: 'jump', chain: 'c' },
      { key: '*', verdict: 'accept', userdata: new Uint8Array(3), expressions: new Uint8Array(3) }
    ]
  ],
  [{ ...inTable, name: 'm', id: 1 }, rows]
]
const objects: Examples = {
  table: [[{ family: 'ip', name: 't', flags: ['dormant'], comment: 'a', userdata: Uint8Array.of(0) }]],
  chain: [[{ ...named('c'), type: 'filter', hook: 'input', priority: 'filter-1', policy: 'accept', devices: ['lo'], flags: [1] }]],
  rule: [
    [{ ...inTable, chain: 'c', expressions, handle: 1n, after: 1n, before: 1n, compat: { protocol: 6, flags: 0 }, comment: 'a' }],
    [{ ...inTable, chain: 'c', statements }],
    [{ ...inTable, chain: 'c', ...rule(...statements) }]
  ],
  set: [[addresses], [{ ...named('s'), key: 'ipv4_addr', flags: ['dynamic'], expressions: [{ type: 'counter' }] }]],
  map: [[verdicts]],
  elements,
  counter: [[{ ...named('n'), packets: 1n, bytes: 1n, comment: 'a' }]],
  object: [[{ ...named('o'), objectType: 2, data: new Uint8Array(4) }]],
  flowtable: [[{ ...named('f'), priority: 0, devices: ['lo'], flags: [1] }]],
  ruleset: []
}

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 }
const mark = {
  fwmark: 7,
  family: 'ip6',
  scheduler: 'mh',
  flags: ['mh-port'],
  persistence: { timeoutSeconds: 5, prefixLength: 64, netmask: 'x' },
  persistenceEngine: 'sip'
}
const service = { ...web, scheduler: 'rr', flags: ['flag-1'], persistence: { timeoutSeconds: 30, netmask: '255.255.255.0' } }
const server = {
  address: '10.0.0.1',
  port: 80,
  forwarding: 'tunnel',
  weight: 1,
  upperThreshold: 9,
  lowerThreshold: 1,
  tunnel: { type: 'gue', port: 1, flags: ['checksum'] }
}
const keyColumns = {
  rows: 1,
  family: Uint8Array.of(2),
  protocol: Uint8Array.of(6),
  address: new Uint8Array(16),
  port: new Uint16Array(1),
  fwmark: new Uint32Array(1)
}
const serviceColumns = {
  ...keyColumns,
  scheduler: new Uint32Array(1),
  schedulerTable: ['rr'],
  flags: new Uint32Array(1),
  timeoutSeconds: new Uint32Array(1),
  netmask: new Uint32Array(1),
  persistenceEngine: Uint32Array.of(0xffffffff),
  persistenceEngineTable: ['sip']
}
const serverColumns = {
  rows: 1,
  service: new Uint32Array(1),
  family: Uint8Array.of(2),
  address: new Uint8Array(16),
  port: new Uint16Array(1),
  forwarding: new Uint8Array(1),
  weight: new Uint32Array(1),
  upperThreshold: new Uint32Array(1),
  lowerThreshold: new Uint32Array(1),
  tunnelType: new Uint8Array(1),
  tunnelPort: new Uint16Array(1),
  tunnelFlags: new Uint16Array(1)
}
const changing = { ...call, ensure: true, onError: 'isolate' }
const planning = { ...call, owns: ['10.0.0.0/8', 'fwmark'], draining: { tcp: { deadlineSeconds: 5 }, udp: 'at-once' }, from: 'kernel' }
const desired = [{ ...service, realServers: [server], draining: { deadlineSeconds: 5 } }, mark]
const many = [
  [[service, mark], changing],
  [serviceColumns, changing]
]
const servers = [
  [[{ service: web, server }], changing],
  [{ services: keyColumns, realServers: serverColumns }, changing]
]

const original = { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 2 }
const key = { protocol: 'tcp', original, zone: 3, id: 4 }
const attributes = {
  timeoutSeconds: 100,
  mark: 1,
  markMask: 1,
  labels: [1],
  labelsMask: [1],
  status: ['assured'],
  helper: 'ftp',
  state: 'established',
  tcp: { originalWindowScale: 1, replyWindowScale: 1, originalFlags: 1, replyFlags: 1 },
  synproxy: { isn: 1, its: 1, tsoff: 1 },
  sequenceAdjustment: { original: { position: 1, before: 1, after: 1 }, reply: { position: 1, before: 1, after: 1 } }
}
const flow = {
  ...key,
  ...attributes,
  reply: original,
  master: { ...original, protocol: 'udp' },
  sourceNat: { first: '10.0.0.1', last: '10.0.0.9', firstPort: 1, lastPort: 2 }
}
const icmp = {
  protocol: 'icmp',
  original: { source: '10.0.0.1', destination: '10.0.0.2', icmp: { type: 8, code: 0, id: 1 } },
  timeoutSeconds: 5
}
const filter = {
  family: 'ip',
  protocol: ['tcp'],
  originalSource: ['10.0.0.0/8'],
  replyDestination: '10.0.0.1',
  originalSourcePort: [1, { first: 2, last: 3 }],
  replySourceIn: [{ address: '10.0.0.1', port: 1 }],
  zone: 1,
  mark: { value: 1, mask: 1 },
  status: { set: ['assured'], clear: ['dying'] },
  labels: [1]
}
const reading = { ...call, source: 'table', filter: [filter, { protocol: 'icmp', icmpType: [8] }], zeroCounters: true, rows: 16 }
const expectation = {
  family: 'ip',
  protocol: 'tcp',
  tuple: original,
  mask: original,
  master: { ...original, protocol: 'tcp' },
  timeoutSeconds: 5,
  id: 1,
  zone: 1,
  helper: 'ftp',
  flags: [],
  class: 0,
  nat: { direction: 'original', tuple: original }
}

const spec = {
  address: '10.0.0.1',
  prefixLength: 32,
  scope: 'link',
  flags: ['noprefixroute'],
  protocol: 4,
  peer: '10.0.0.2',
  broadcast: '10.0.0.255',
  label: 'lo:a',
  validLifetimeSeconds: 9,
  preferredLifetimeSeconds: 8
}
const addressColumns = {
  rows: 1,
  family: Uint8Array.of(2),
  address: new Uint8Array(16),
  prefixLength: Uint8Array.of(32),
  scope: new Uint8Array(1),
  flags: new Uint32Array(1),
  protocol: new Uint8Array(1)
}
const addressing = { ...changing, flags: ['noprefixroute'], protocol: 4 }

interface ClientCase {
  readonly name: string
  readonly prototype: object
  readonly open: () => Promise<AsyncDisposable>
  readonly openWith: (options: unknown) => Promise<AsyncDisposable>
  readonly examples: Examples
}

const none: readonly Arguments[] = [[]]
const onlyCall: readonly Arguments[] = [[call]]

const clients: readonly ClientCase[] = [
  {
    name: 'Nftables',
    prototype: Nftables.prototype,
    open: async () => await openNftables(),
    openWith: (options) => Nftables.open(options as never),
    examples: {
      transaction: none,
      readGeneration: onlyCall,
      readGenerationSync: none,
      list: [[inFamily]],
      listTables: [[inFamily]],
      listChains: [[inFamily]],
      listRules: [[inFamily]],
      listSets: [[inFamily]],
      listElements: [[named('s'), call]],
      getElements: [[addresses, [['10.0.0.1', 80]], call]],
      listCounters: [[inFamily]],
      listObjects: [[inFamily]],
      listFlowtables: [[inFamily]],
      watch: [[monitoring]],
      trace: [[monitoring]],
      close: none
    }
  },
  {
    name: 'Ipvs',
    prototype: Ipvs.prototype,
    open: async () => {
      const ipvs = await new FakeIpvsKernel().open()
      await ipvs.addServices([web, { fwmark: 7, family: 'ip6' }] as never)
      return ipvs
    },
    openWith: (options) => Ipvs.open(options as never),
    examples: {
      addService: [
        [service, changing],
        [mark, changing]
      ],
      updateService: [[service, call]],
      removeService: [[web, changing]],
      addRealServer: [[web, server, changing]],
      updateRealServer: [[web, server, call]],
      removeRealServer: [[web, server, changing]],
      getService: [[web, { ...call, statistics: true }]],
      listServices: [[{ ...call, statistics: true }]],
      listRealServers: [[web, call]],
      list: onlyCall,
      listColumns: onlyCall,
      addServices: many,
      updateServices: many,
      removeServices: many,
      addRealServers: servers,
      updateRealServers: servers,
      removeRealServers: servers,
      plan: [
        [desired, planning],
        [{ set: desired, delete: [web] }, planning]
      ],
      sync: [
        [desired, { ...planning, onError: 'atomic' }],
        [
          { set: desired, delete: [web] },
          { ...planning, onError: 'isolate' }
        ]
      ],
      drain: onlyCall,
      startDrainer: [[{ intervalMs: 1000, signal: call.signal, ref: false }]],
      listDraining: none,
      zero: [[web, call]],
      flush: [[{ allServices: true }, call]],
      readTimeouts: onlyCall,
      writeTimeouts: [[{ tcpSeconds: 1, tcpFinSeconds: 1, udpSeconds: 1 }, call]],
      readInfo: onlyCall,
      startDaemon: [[{ role: 'master', interface: 'lo', syncId: 1, maximumLength: 1400, group: '224.0.0.81', port: 8848, ttl: 1 }, call]],
      stopDaemon: [['master', call]],
      listDaemons: onlyCall,
      iterateConnections: [[{ ...call, filter: { clientAddress: '10.0.0.1', clientPort: 1, protocol: 'tcp', state: 'NONE' } }]],
      close: none
    }
  },
  {
    name: 'Conntrack',
    prototype: Conntrack.prototype,
    open: async () => {
      const conntrack = await new FakeConntrackKernel({ helpers: ['ftp'] }).open()
      await conntrack.add({ protocol: 'tcp', original, timeoutSeconds: 100 })
      return conntrack
    },
    openWith: (options) => Conntrack.open(options as never),
    examples: {
      list: [[reading]],
      listColumns: [[reading]],
      iterate: [[reading]],
      count: [[reading]],
      get: [
        [key, call],
        [{ protocol: 'tcp', reply: original, zone: 3 }, call]
      ],
      add: [
        [flow, call],
        [icmp, call]
      ],
      addFlows: [[[flow, icmp], changing]],
      update: [[key, attributes, call]],
      remove: [[key, call]],
      removeFlows: [[[key], changing]],
      removeWhere: [
        [filter, call],
        [[filter], call]
      ],
      flush: [[{ allFlows: true }, call]],
      listExpectations: onlyCall,
      addExpectation: [
        [
          {
            protocol: 'tcp',
            tuple: { source: '10.0.0.1', destination: '10.0.0.2', destinationPort: 20 },
            mask: { source: '255.255.255.255' },
            master: { protocol: 'tcp', source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 21 },
            timeoutSeconds: 5,
            zone: 1,
            helper: 'ftp',
            flags: ['permanent'],
            class: 0,
            function: 'nat-follow-master',
            nat: { direction: 'original', tuple: { source: '10.0.0.1', sourcePort: 1 } }
          },
          call
        ]
      ],
      removeExpectation: [[expectation, call]],
      flushExpectations: [[{ allExpectations: true }, call]],
      readUsage: onlyCall,
      watchUsage: [[{ warnAt: 0.5, intervalMs: 1000, signal: call.signal, ref: false }]],
      readStatistics: [[{ ...call, of: 'flows' }]],
      readSettings: [[['maxEntries'], call]],
      writeSettings: [[{ maxEntries: 5 }, call]],
      watch: [[{ ...monitoring, new: true, update: true, destroy: true, filter }]],
      close: none
    }
  },
  {
    name: 'Route',
    prototype: Route.prototype,
    open: async () => await new FakeRouteKernel().open(),
    openWith: (options) => Route.open(options as never),
    examples: {
      listLinks: onlyCall,
      getLink: [
        ['lo', call],
        [1, call]
      ],
      listAddresses: [[{ ...call, link: 'lo', family: 'ip' }]],
      lookup: [
        ['10.0.0.1', { ...call, source: '10.0.0.2', outputLink: 'lo', mark: 1, userId: 0, match: true }],
        ['fd00::1', { ...call, source: 'fd00::2', inputLink: 1 }]
      ],
      addAddresses: [
        ['lo', ['10.0.0.1/32', spec], { ...addressing, onError: 'atomic' }],
        ['lo', addressColumns, addressing]
      ],
      removeAddresses: [
        ['lo', ['10.0.0.1/32', spec], addressing],
        [1, addressColumns, addressing]
      ],
      addDummy: [['d', { ...call, up: true, mtu: 1500, ensure: true }]],
      updateLink: [['lo', { up: true, mtu: 1500 }, call]],
      removeLink: [['d', { ...call, ensure: true }]],
      watch: [[{ ...monitoring, links: true, addresses: true, defaultRoutes: true }]],
      close: none
    }
  }
]

async function openNftables(): Promise<Nftables> {
  const nft = await new FakeNftablesKernel().open()
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 't' })
  tx.add.chain({ ...inTable, name: 'c' })
  tx.add.set({ ...inTable, name: 's', key: ['ipv4_addr', 'inet_service'], flags: ['interval', 'timeout'] })
  tx.add.map({ ...inTable, name: 'm', key: 'ipv4_addr', data: 'verdict' })
  await tx.commit()
  return nft
}

/** Takes what a call gave: a stream is looked into and left, a list is read. */
async function use(given: unknown): Promise<void> {
  if (typeof given !== 'object' || given === null) return
  if (Symbol.asyncIterator in given) {
    const stream = (given as AsyncIterable<unknown>)[Symbol.asyncIterator]()
    const first = stream.next()
    first.catch(() => undefined)
    await Promise.race([first, new Promise((resolve) => setImmediate(resolve))])
    await stream.return?.()
    await first
  } else if (Symbol.iterator in given) {
    ;(given as Iterable<unknown>)[Symbol.iterator]().next()
  }
}

/** What came out that must not. */
async function faultOf(attempt: () => unknown): Promise<unknown> {
  try {
    await use(await attempt())
    return undefined
  } catch (error) {
    return isPermitted(error) ? undefined : error
  }
}

/** Every good call of a method with one odd value in one place, and each argument alone. */
function* oddCalls(examples: readonly Arguments[]): Generator<{ readonly what: string; readonly make: () => Arguments }> {
  for (const [index, example] of examples.entries()) {
    for (const place of placesOf(example))
      for (const { name, make } of oddValues)
        yield { what: `example ${index}, ${place.join('.')}: ${name}`, make: () => withValueAt(example, place, make()) as Arguments }
  }
  for (const { name, make } of oddValues) yield { what: `alone: ${name}`, make: () => [make()] }
}

async function faultsOf(examples: readonly Arguments[], attempt: (args: Arguments) => unknown): Promise<string[]> {
  const faults: string[] = []
  for (const { what, make } of oddCalls(examples)) {
    const fault = await faultOf(() => attempt(make()))
    if (fault !== undefined)
      faults.push(`${what}: ${fault instanceof Error ? fault.stack!.split('\n').slice(0, 4).join(' | ') : inspect(fault)}`)
  }
  return faults
}

type Methods = Record<string, (...args: Arguments) => unknown>

describe('odd values', () => {
  describe.each(clients)('at $name', ({ prototype, open, openWith, examples }) => {
    it('has examples of every method', () => {
      expect(Object.keys(examples).sort()).toEqual(methodsOf(prototype).sort())
    })

    it('open', async () => {
      expect(
        await faultsOf([[opening]], async (args) => {
          const client = await openWith(args[0])
          await client[Symbol.asyncDispose]()
        })
      ).toEqual([])
    })

    it.each(methodsOf(prototype))('%s', async (method) => {
      const client = await open()
      const good = examples[method]!
      for (const args of good) expect.soft(await faultOf(() => (client as unknown as Methods)[method]!(...args))).toBeUndefined()
      expect(await faultsOf(good, (args) => (client as unknown as Methods)[method]!(...args))).toEqual([])
      await client[Symbol.asyncDispose]()
    })
  })

  describe('in transactions', async () => {
    const example = (await new FakeNftablesKernel().open()).transaction()
    const verbs = Object.entries(example).filter(([, value]) => typeof value === 'object') as [string, Methods][]
    const calls = verbs.flatMap(([verb, methods]) => Object.keys(methods).map((word) => ({ verb, word })))

    it.each(calls)('$verb $word', async ({ verb, word }) => {
      const nft = await openNftables()
      expect(
        await faultsOf(objects[word]!, async (args) => {
          const tx = nft.transaction()
          ;(tx as unknown as Record<string, Methods>)[verb]![word]!(...args)
          await tx.check()
        })
      ).toEqual([])
    })

    it.each(methodsOf(Transaction.prototype))('%s', async (method) => {
      const nft = await openNftables()
      expect(
        await faultsOf([[{ ...call, generation: 1, echo: true, record: true }]], async (args) => {
          const tx = nft.transaction()
          tx.add.table({ family: 'ip', name: 't' })
          await (tx as unknown as Methods)[method]!(...args)
        })
      ).toEqual([])
    })
  })
})
