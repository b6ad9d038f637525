import { describe, expect, it } from 'vitest'
import { judge, type RowResult } from '../../../bench/frame/row.js'
import { drawShortConnections, shortConnectionRows } from '../../../bench/rows/short-connections.js'

describe('rows of short connections', () => {
  const rows = shortConnectionRows({ connections: 6001, sizes: [100, 500] })

  it('are one for each plane and size, so that a size is compared before the next one', () => {
    const planes = ['ipvs', 'nftables', 'iptables']
    expect(rows.map(({ name }) => name)).toEqual([100, 500].flatMap((size) => planes.map((plane) => `s3-${plane}-${size}`)))
    expect(rows.slice(0, 3).map(({ requires }) => requires)).toEqual(['ipvs and nftables', undefined, undefined])
  })

  it('share their connections out among their runs, and open no more at a time than a run has', () => {
    expect(rows[0]?.rounds).toBe(5)
    expect(rows[0]?.about).toContain('1201 short TCP connections, 1000 at a time, to one of 100 services through the ipvs plane')
    expect(shortConnectionRows({ connections: 20, sizes: [7] })[1]?.about).toContain('4 short TCP connections, 4 at a time, to one of 7')
    const [inOne] = shortConnectionRows({ connections: 6001, sizes: [100], rounds: 1 })
    expect(inOne).toMatchObject({ rounds: 1, about: expect.stringContaining('6001 short TCP connections, 1000 at a time') as string })
  })
})

describe('the drawing', () => {
  const measured = (name: string, through: number, direct: number): RowResult => ({
    ...judge({ name, unit: 'ms', bar: { oursAtMost: 1 } }, { ours: [1], peers: {} }, []),
    figures: { 'per second': through, 'p99 ms': through, 'direct per second': direct, 'direct p99 ms': direct }
  })
  const svg =
    drawShortConnections(
      [
        measured('s3-ipvs-100', 400, 900),
        measured('s3-nftables-100', 500, 700),
        measured('s3-iptables-100', 200, 700),
        measured('s3-ipvs-200', 300, 1000)
      ],
      ['a machine']
    ) ?? ''

  it('has a curve for each plane, and one for the medians of the direct way', () => {
    const curves = [...svg.matchAll(/<polyline [^>]*points="([^"]*)"/g)].map(([, points = '']) => points.split(' '))
    expect(curves.map((points) => points.length)).toEqual([2, 1, 1, 2, 2, 1, 1, 2])
    const heights = curves.slice(0, 4).map((points) => points.map((point) => Number(point.split(',')[1])))
    // 0 to 1000 over 174 units, from 208 up.
    const heightOf = (value: number): number => Math.round((208 - value * 0.174) * 10) / 10
    expect(heights).toEqual([[400, 300], [500], [200], [700, 1000]].map((values) => values.map(heightOf)))
    for (const name of ['ipvs plane', 'nftables plane', 'iptables plane', 'direct, without rules', 'a machine'])
      expect(svg).toContain(`>${name}</text>`)
  })

  it('is not made where a plane was not measured', () => {
    expect(drawShortConnections([measured('plane-sync-10x10', 1, 1)], [])).toBeUndefined()
    const two = [measured('s3-ipvs-100', 400, 900), measured('s3-nftables-100', 500, 700)]
    expect(drawShortConnections(two, [])).toBeUndefined()
  })
})
