import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatResults, mergeResults, parseResults, type Run, sectionOf } from '../../../bench/frame/results.js'
import { judge, type RowResult } from '../../../bench/frame/row.js'
import { findVersion } from '../../../bench/frame/versions.js'
import { parseArguments } from '../../../bench/frame/arguments.js'
import { makeRows } from '../../../bench/rows/index.js'

const rows = makeRows(parseArguments([]))

const result = (name: string, ours: number): RowResult =>
  judge({ name, unit: 'ms', bar: { timesFloorAtMost: 2 } }, { ours: [ours], floor: [10], peers: { 'nft -f': [100] } }, [])
const run = (date: string, more: Partial<Run> = {}): Run => ({
  date,
  lab: undefined,
  command: 'npm run bench -- plane',
  machine: 'Linux 6.18, 2 × AMD EPYC, 23.5 GiB',
  versions: 'netplane 0.1.0, Node 20.20.2, nft 1.0.6',
  load: '1.80 1.0 0.5 at the start, 1.60 1.0 0.5 at the end',
  ...more
})
const nothing = new Map<string, never>()

/** What the sections hold: the date and the place of each run, and the rows with their values. */
const contents = (text: string): unknown =>
  Object.fromEntries(
    [...parseResults(text)].map(([title, blocks]) => [
      title,
      blocks.map((block) => [block.run.date, block.run.lab, ...[...block.rows.values()].map(([name, , ours]) => `${name} ${ours}`)])
    ])
  )

const first = formatResults(
  mergeResults(nothing, run('2026-01-01'), [
    result('plane-sync-10x10', 15),
    result('plane-sync-20x10', 25),
    result('route-addresses-1', 11)
  ])
)

describe('RESULTS.md', () => {
  it('says by which command, where, when and under what load, and which bar each row meets', () => {
    expect(first).toContain(`## The nftables plane

### 2026-01-01, this machine's kernel

- Command: \`npm run bench -- plane\`
- Machine: Linux 6.18, 2 × AMD EPYC, 23.5 GiB
- Versions: netplane 0.1.0, Node 20.20.2, nft 1.0.6
- Load average: 1.80 1.0 0.5 at the start, 1.60 1.0 0.5 at the end

| row              | unit | ours | floor | ours / floor | peers      | peer / ours | bar         | met |
|------------------|------|------|-------|--------------|------------|-------------|-------------|-----|
| plane-sync-10x10 | ms   | 15.0 | 10.0  | 1.50 ×       | nft -f 100 | 6.67 ×      | ≤ 2 × floor | yes |
| plane-sync-20x10 | ms   | 25.0 | 10.0  | 2.50 ×       | nft -f 100 | 4.00 ×      | ≤ 2 × floor | NO  |
`)
    expect(first).toContain('[NOTES.md](NOTES.md)')
  })

  it('is read as it was written', () => {
    expect(formatResults(parseResults(first))).toBe(first)
  })

  it('keeps what a run has not measured, with the date of the run that has', () => {
    const second = formatResults(mergeResults(parseResults(first), run('2026-02-02'), [result('plane-sync-20x10', 19)]))
    expect(contents(second)).toEqual({
      'The nftables plane': [
        ['2026-02-02', undefined, 'plane-sync-20x10 19.0'],
        ['2026-01-01', undefined, 'plane-sync-10x10 15.0']
      ],
      'The rtnetlink client': [['2026-01-01', undefined, 'route-addresses-1 11.0']]
    })
    const third = formatResults(
      mergeResults(parseResults(second), run('2026-03-03'), [result('plane-sync-10x10', 14), result('plane-sync-20x10', 18)])
    )
    expect(contents(third)).toMatchObject({
      'The nftables plane': [['2026-03-03', undefined, 'plane-sync-10x10 14.0', 'plane-sync-20x10 18.0']]
    })
  })

  it('leaves the sections of other rows as they are, byte for byte', () => {
    const section = (text: string): string => text.slice(text.indexOf('## The nftables plane'))
    const second = formatResults(mergeResults(parseResults(first), run('2026-02-02'), [result('route-addresses-1', 12)]))
    expect(section(second)).toBe(section(first))
  })

  it('keeps the rows of a machine of the lab apart from those of others', () => {
    const uml = run('2026-02-02', { lab: 'uml', command: 'npm run bench -- --lab uml route' })
    const both = formatResults(mergeResults(parseResults(first), uml, [result('route-addresses-1', 99)]))
    expect(contents(both)).toMatchObject({
      'The rtnetlink client': [
        ['2026-02-02', 'uml', 'route-addresses-1 99.0'],
        ['2026-01-01', undefined, 'route-addresses-1 11.0']
      ]
    })
  })

  it('is refused where the bench has not written it: nothing of it gets lost', () => {
    const stranger = first.replace('## The nftables plane', '## Remarks')
    expect(() => mergeResults(parseResults(stranger), run('2026-02-02'), [])).toThrow("no section 'Remarks'")
    expect(() => parseResults(first.replace('- Load average: ', '- Load: '))).toThrow("has no line '- Load average: '")
  })

  it('keeps the columns of each table, and shows the drawing of its section once', () => {
    const withFigures = (name: string): RowResult => ({ ...result(name, 15), figures: { 'per second': 500 } })
    const before = parseResults(
      formatResults(mergeResults(nothing, run('2026-01-01'), [withFigures('s3-ipvs-100'), result('s3-other', 3)]))
    )
    const text = formatResults(mergeResults(before, run('2026-02-02'), [withFigures('s3-ipvs-200'), result('route-addresses-1', 11)]))
    expect(text.match(/!\[.*\]\(s3\.svg\)/g)).toHaveLength(1)
    expect(text).toMatch(/\n## Short connections among many services\n\n!\[[^\]]+\]\(s3\.svg\)\n\n### 2026-02-02/)
    expect(text.match(/\| ours \/ floor \| per second \| bar/g)).toHaveLength(2)
    expect(text).toMatch(/\| s3-ipvs-100 \| ms {3}\| 15\.0 \| 10\.0 {2}\| 1\.50 × +\| 500 +\| ≤ 2 × floor \| yes \|/)
    expect(text).toMatch(/\| s3-other \| ms .*\| nft -f 100 \|/)
    expect(formatResults(parseResults(text))).toBe(text)
  })

  it('has a section for every row that there is', () => {
    for (const { name } of rows) expect(() => sectionOf(name)).not.toThrow()
    expect(sectionOf('plane-process-first-load')).not.toBe(sectionOf('plane-sync-10x10'))
    expect(() => sectionOf('other-row')).toThrow("no section of RESULTS.md is for the row 'other-row'")
  })

  it('as it stands can be read, and holds no row that the bench has not', () => {
    const text = readFileSync(path.resolve(import.meta.dirname, '../../../bench/RESULTS.md'), 'utf8')
    expect(formatResults(parseResults(text))).toBe(text)
    const names = [...parseResults(text).values()].flat().flatMap((block) => [...block.rows.keys()])
    const known = new Set(rows.map(({ name }) => name))
    expect(names.filter((name) => !known.has(name))).toEqual([])
  })
})

it('a version is the first number with dots that a program prints', () => {
  expect(findVersion('nftables v1.0.6 (Lester Gooch #5)')).toBe('1.0.6')
  expect(findVersion('ip utility, iproute2-6.1.0, libbpf 1.1.2')).toBe('6.1.0')
  expect(findVersion('none')).toBeUndefined()
})
