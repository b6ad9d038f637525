import { describe, expect, test } from 'vitest'
import { parseArguments, selectRows } from '../../../bench/frame/arguments.js'
import { describeHost, kernelMemoryBytes, parseStat } from '../../../bench/frame/machine.js'
import { formatNumber, formatTable } from '../../../bench/frame/report.js'
import { barText, judge } from '../../../bench/frame/row.js'
import { median, medianRatio, quantile } from '../../../bench/frame/statistics.js'

describe('statistics', () => {
  test('median of odd and even counts, in any order', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(() => median([])).toThrow(RangeError)
  })

  test('a ratio is taken round by round: a machine that slows down during the run does not move it', () => {
    expect(medianRatio([2, 20, 200], [1, 10, 100])).toBe(2)
    expect(() => medianRatio([1, 2], [1])).toThrow('2 rounds against 1')
  })

  test('a quantile: so large a share of the values do not exceed it', () => {
    expect(quantile([8, 1, 3, 2, 7, 6, 5, 4], 0.25)).toBe(2)
    expect(quantile([8, 1, 3, 2, 7, 6, 5, 4], 0.99)).toBe(8)
    expect(quantile([5], 0.25)).toBe(5)
    expect(() => quantile([], 0.25)).toThrow(RangeError)
  })
})

describe('judge', () => {
  const row = { name: 'load', unit: 'ms', bar: { timesFloorAtMost: 1.5, fasterThanPeerAtLeast: { 'nft -f': 8 } } }
  const samples = { ours: [14, 10, 12], floor: [10, 10, 10], peers: { 'nft -f': [140, 100, 120] } }

  test('gives ours / floor and peer / ours, and the first run apart', () => {
    expect(judge(row, samples, ['a note'])).toEqual({
      name: 'load',
      unit: 'ms',
      ours: 12,
      floor: 10,
      peers: { 'nft -f': 120 },
      ratioToFloor: 1.2,
      ratioToPeers: { 'nft -f': 10 },
      bar: '≤ 1.5 × floor, ≥ 8 × faster than nft -f',
      met: true,
      first: 14,
      rounds: 3,
      notes: ['a note']
    })
  })

  test.each([
    ['above the floor', { ...samples, floor: [5, 5, 5] }],
    ['too near to the peer', { ...samples, peers: { 'nft -f': [70, 70, 70] } }]
  ])('is not met when ours is %s', (_, other) => {
    expect(judge(row, other, []).met).toBe(false)
  })

  test('an absolute bar is held to as well', () => {
    const absolute = { ...row, bar: { oursAtMost: 10 } }
    expect(judge(absolute, { ours: [10], peers: {} }, [])).toMatchObject({ met: true, floor: null, ratioToFloor: null, bar: '≤ 10 ms' })
    expect(judge(absolute, { ours: [10.1], peers: {} }, []).met).toBe(false)
  })

  test('a bar about what was not measured is an error, not met', () => {
    expect(() => judge(row, { ours: [1], peers: { 'nft -f': [9] } }, [])).toThrow('needs a floor')
    expect(() => judge(row, { ours: [1], floor: [1], peers: {} }, [])).toThrow("needs the peer 'nft -f'")
    expect(() => barText({}, 'ms')).toThrow(TypeError)
    const part = { name: 'x', unit: 'ms', bar: { timesPeerAtMost: { part: 1.5 } } }
    expect(judge(part, { ours: [15], peers: { part: [10] } }, [])).toMatchObject({ met: true, bar: '≤ 1.5 × part' })
    expect(judge(part, { ours: [15.1], peers: { part: [10] } }, []).met).toBe(false)
    expect(() => judge(part, { ours: [1], peers: {} }, [])).toThrow("needs the peer 'part'")
  })
})

describe('arguments', () => {
  const rows = [{ name: 'load-100' }, { name: 'load-100-cold' }, { name: 'list' }]

  test('names, beginnings of names, and all', () => {
    expect(selectRows(rows, [])).toHaveLength(3)
    expect(selectRows(rows, ['load'])).toEqual([rows[0], rows[1]])
    expect(selectRows(rows, ['load-100'])).toEqual([rows[0]])
    expect(() => selectRows(rows, ['lost'])).toThrow("no row is called 'lost'")
    const long = { name: 'load-million', isLong: true }
    expect(selectRows([...rows, long], [])).toEqual(rows)
    expect(selectRows([...rows, long], ['load'])).toEqual([rows[0], rows[1]])
    expect(selectRows([...rows, long], ['load-million'])).toEqual([long])
  })

  test('options', () => {
    expect(parseArguments(['list', '--json', '--rounds', '3'])).toEqual({
      names: ['list'],
      json: true,
      list: false,
      help: false,
      rounds: 3,
      connections: 10_000,
      sizes: [100, 500, 1000, 2000, 3000, 4000]
    })
    expect(parseArguments(['--connections', '50', '--sizes', '40,7,40'])).toMatchObject({
      connections: 50,
      sizes: [7, 40],
      rounds: undefined
    })
    expect(() => parseArguments(['--rounds', '0'])).toThrow("not '0'")
    expect(() => parseArguments(['--rounds'])).toThrow(TypeError)
    expect(() => parseArguments(['--jsn'])).toThrow("unknown option '--jsn'")
  })

  test.each([
    [['--connections', '0'], "--connections takes whole numbers of 1 to 50000, not '0'"],
    [['--connections', '50001'], "not '50001'"],
    [['--connections', '1e3'], "not '1e3'"],
    [['--connections'], "not ''"],
    [['--sizes', '100,,500'], "--sizes takes whole numbers of 1 to 65536, not ''"],
    [['--sizes', '100,65537'], "not '65537'"]
  ])('%j is refused', (argv, message) => {
    expect(() => parseArguments(argv)).toThrow(message)
  })
})

describe('report', () => {
  test('three significant digits', () => {
    expect([0, 0.01234, 1.234, 12.34, 1234.5].map(formatNumber)).toEqual(['0', '0.0123', '1.23', '12.3', '1235'])
  })

  test('the table says when a bar is missed and lines up', () => {
    const result = judge({ name: 'x', unit: 'ms', bar: { oursAtMost: 1 } }, { ours: [2], peers: { nft: [4] } }, [])
    const lines = formatTable([result]).split('\n')
    expect(lines[2]).toMatch(/\| x .*\| 2\.00 .*\| nft 4\.00 .*\| 2\.00 × .*\| ≤ 1 ms .*\| NO/)
    expect(new Set(lines.map((line) => line.length)).size).toBe(1)
  })

  test('rows with figures have a table of their own, with these in the place of peers', () => {
    const result = judge({ name: 'x', unit: 'ms', bar: { oursAtMost: 1 } }, { ours: [2], peers: {} }, [])
    const [plain, withFigures] = formatTable([{ ...result, figures: { 'per second': 500, 'p50 ms': 1.5 } }, result])
      .split('\n\n')
      .reverse()
    expect(plain).toMatch(/\| peers \| peer \/ ours \| bar/)
    expect(plain).toMatch(/\| - +\| - +\| ≤ 1 ms \| NO/)
    expect(withFigures).toMatch(/\| ours \/ floor \| per second \| p50 ms \| bar/)
    expect(withFigures).toMatch(/\| - +\| 500 +\| 1\.50 +\| ≤ 1 ms \| NO/)
  })
})

test('a machine of the lab is named with the one that it runs on, and whether its processor is emulated', () => {
  expect(describeHost('AMD EPYC', undefined)).toBe('')
  expect(describeHost('UML', '2 × AMD EPYC')).toBe(', on 2 × AMD EPYC')
  expect(describeHost('QEMU TCG CPU version 2.5+', '2 × AMD EPYC')).toBe(', emulated on 2 × AMD EPYC')
})

test('kernel memory: slabs that stay, and what vmalloc maps', () => {
  expect(kernelMemoryBytes('Slab: 9 kB\nSReclaimable: 7 kB\nSUnreclaim:  2 kB\nVmallocUsed: 3 kB\n')).toBe(5 * 1024)
  expect(() => kernelMemoryBytes('SUnreclaim: 2 kB\n')).toThrow('VmallocUsed')
})

test('processor time: iowait is idle, guest time is not counted twice', () => {
  expect(parseStat('cpu  10 0 5 80 5 0 0 0 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n')).toEqual({ idle: 85, total: 100 })
  expect(() => parseStat('intr 1\n')).toThrow('no line')
})
