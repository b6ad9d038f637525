import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../../examples/conntrack-top/options.js'
import { Sampler, type Sample } from '../../../examples/conntrack-top/sample.js'
import { ACCOUNTING_HINT, fit, renderScreen, shortNumber, type View } from '../../../examples/conntrack-top/table.js'
import type { FlowColumns } from '../../../src/conntrack/columns.js'

const WIDTH = 16
/** Bits of `present`: time-out, mark, counters, state, id, status. */
const COUNTERS = 4 | 8
const ALWAYS = 1 | 2 | 64 | 2048 | 4096
const BOTH_NAT = 0x10 | 0x20
const TCP = 6
const ESTABLISHED = 3
const LONG_IPV6 = Uint8Array.from([0x20, 0x01, ...Array.from({ length: 14 }, (_, at) => 0xa0 + at)])

interface Given {
  readonly bytes?: number
  readonly isIpv6?: boolean
}

/** TCP flows with NAT in both directions; `bytes` undefined: not counted. */
function columns(flows: readonly Given[]): FlowColumns {
  const rows = flows.length
  const numbers = (value: (given: Given, row: number) => number): Uint32Array => Uint32Array.from(flows, value)
  const ports = (value: number): Uint16Array => new Uint16Array(rows).fill(value)
  const addresses = (last: number): Uint8Array => {
    const bytes = new Uint8Array(rows * WIDTH)
    for (const [row, { isIpv6 }] of flows.entries()) bytes.set(isIpv6 === true ? LONG_IPV6 : [192, 168, 100 + row, last], row * WIDTH)
    return bytes
  }
  const counters = (share: bigint): BigUint64Array => BigUint64Array.from(flows, ({ bytes = 0 }) => BigInt(bytes) / share)
  return {
    rows,
    family: Uint8Array.from(flows, ({ isIpv6 }) => (isIpv6 === true ? 10 : 2)),
    protocol: new Uint8Array(rows).fill(TCP),
    state: new Uint8Array(rows).fill(ESTABLISHED),
    present: numbers(({ bytes }) => ALWAYS | (bytes === undefined ? 0 : COUNTERS)),
    status: numbers(() => BOTH_NAT | 2),
    id: numbers((_, row) => 4_000_000_000 + row),
    timeoutSeconds: numbers((_, row) => 100 + row),
    mark: numbers(() => 0),
    originalSource: addresses(201),
    originalDestination: addresses(202),
    replySource: addresses(203),
    replyDestination: addresses(204),
    originalSourcePort: ports(50_001),
    originalDestinationPort: ports(50_002),
    replySourcePort: ports(50_003),
    replyDestinationPort: ports(50_004),
    originalBytes: counters(2n),
    replyBytes: counters(2n),
    originalPackets: counters(200n),
    replyPackets: counters(200n)
  } as unknown as FlowColumns
}

const view = (sample: Sample, more: Partial<View> = {}): View => ({
  sample,
  entries: 262_144,
  maxEntries: 262_144,
  churn: { begun: 12_345, ended: 12_345, isAtLeast: true },
  accounting: true,
  sort: 'rate',
  intervalSeconds: 2,
  isPaused: true,
  place: 'conntrack-top /run/netns/a-namespace-with-a-long-name-that-goes-on-and-on',
  time: '23:59:59',
  ...more
})

const take = async (sampler: Sampler, at: number, flows: readonly Given[], limit = 0): Promise<Sample> =>
  await sampler.take([columns(flows)], at, 'rate', limit)

describe('a sampler', () => {
  it('has no rates at the first reading, and none while nothing is counted', async () => {
    const first = await take(new Sampler(), 0, [{ bytes: 1000 }])
    expect(first).toMatchObject({ flows: 1, translated: 1, isCounted: true, bytesPerSecond: undefined })
    const uncounted = new Sampler()
    await take(uncounted, 0, [{}])
    expect(await take(uncounted, 1000, [{}])).toMatchObject({ isCounted: false, bytesPerSecond: undefined })
  })

  it('says what each flow and all together moved a second, the greatest first', async () => {
    const sampler = new Sampler()
    await take(sampler, 1000, [{ bytes: 1000 }, { bytes: 5000 }, { bytes: 9000 }])
    // In two seconds: nothing, 2000 bytes, reset to zero since, and one that began.
    const sample = await take(sampler, 3000, [{ bytes: 1000 }, { bytes: 7000 }, { bytes: 400 }, { bytes: 600 }])
    expect(sample.bytesPerSecond).toBe(1300)
    expect(sample.packetsPerSecond).toBe(13)
    expect(sample.top.map(({ counted }) => counted?.bytesPerSecond)).toEqual([1000, 300, 0, 0])
    expect(sample.top[0]).toMatchObject({ protocol: 'tcp', state: 'established', source: '192.168.101.201', sourcePort: 50_001 })
    expect(sample.top[0]).toMatchObject({ destinationNat: '192.168.101.203:50003', sourceNat: '192.168.101.204:50004' })
    expect([...sample.tcpStates]).toEqual([[ESTABLISHED, 4]])
  })

  it.each([1, 2, 7])('keeps the greatest %i of many', async (limit) => {
    const bytes = Array.from({ length: 50 }, (_, index) => (index * 37) % 50)
    const { top } = await take(
      new Sampler(),
      0,
      bytes.map((value) => ({ bytes: value * 2 })),
      limit
    )
    const greatest = bytes.sort((left, right) => right - left).slice(0, limit)
    expect(top.map(({ counted }) => counted?.bytes)).toEqual(greatest.map((value) => value * 2))
  })
})

describe('the table', () => {
  const many = Array.from({ length: 60 }, (_, index) => ({ bytes: 2e9 * index, isIpv6: index % 2 === 0 }))

  it.each([
    [80, 24],
    [40, 8],
    [132, 43],
    [220, 60],
    [20, 2]
  ])('fits %i × %i', async (width, height) => {
    const lines = renderScreen(view(await take(new Sampler(), 0, many)), width, height)
    expect(lines).toHaveLength(height)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
  })

  it('shows IPv4 flows whole at 80 × 24, NAT in a line under them', async () => {
    const lines = renderScreen(view(await take(new Sampler(), 0, [{ bytes: 10 }])), 80, 24)
    expect(lines).toContain('PROTO   STATE       SOURCE                 DESTINATION            BYTES/S PKT/S')
    expect(lines).toContain('tcp     established 192.168.100.201:50001  192.168.100.202:50002        -     -')
    expect(lines).toContain('        => dnat 192.168.100.203:50003 snat 192.168.100.204:50004')
    expect(lines.at(-1)).toBe('q quit  p pause  s sort')
    expect(lines[3]).toBe('by rate, every 2 s, PAUSED')
  })

  it('says how to have bytes counted where they are not', async () => {
    const off = view(await take(new Sampler(), 0, [{}]), { accounting: false, isPaused: false })
    expect(renderScreen(off, 80, 24)[2]).toBe(ACCOUNTING_HINT)
    expect(renderScreen({ ...off, accounting: true }, 80, 24)[2]).toContain('those that begin from now on are')
  })

  it.each([
    [0, '0'],
    [999.4, '999'],
    [999.6, '1.00k'],
    [12_345, '12.3k'],
    [99_960, '100k'],
    [5e9, '5.00G'],
    [1.5e18, '1500P']
  ])('writes %d as %s', (value, text) => {
    expect(shortNumber(value)).toBe(text)
  })

  it('cuts long texts in the middle', () => {
    expect(fit('2001:db8::1', 7)).toBe('200~::1')
    expect(fit('abc', 5)).toBe('abc  ')
  })
})

describe('the command line', () => {
  it('reads filters as "on any side"', () => {
    expect(parseOptions([]).filter).toBeUndefined()
    expect(parseOptions(['--protocol', 'udp']).filter).toEqual([{ protocol: 'udp' }])
    expect(parseOptions(['--protocol', '47', '--address', '10.0.0.0/8']).filter).toEqual([
      { protocol: 47, originalSource: '10.0.0.0/8' },
      { protocol: 47, originalDestination: '10.0.0.0/8' },
      { protocol: 47, replySource: '10.0.0.0/8' },
      { protocol: 47, replyDestination: '10.0.0.0/8' }
    ])
    expect(parseOptions(['--address', 'fd00::1', '--port', '53']).filter).toHaveLength(16)
  })

  it.each([
    [['--interval', '0'], '--interval 0: a number from 0.1 to 3600 is wanted'],
    [['--interval', ''], '--interval : a number from 0.1 to 3600 is wanted'],
    [['--port', '65536'], '--port 65536: a whole number from 0 to 65535 is wanted'],
    [['--sort', 'size'], '--sort size: one of rate, packets, total, timeout is wanted'],
    [['--json'], '--json needs --once'],
    [['--limit', '3'], '--limit needs --once; the live table is as long as the terminal'],
    [['--once', '--limit', '1.5'], '--limit 1.5: a whole number from 0 to 10000000 is wanted'],
    [['--bogus'], "Unknown option '--bogus'"],
    [['extra'], 'Unexpected argument']
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message)
  })
})
