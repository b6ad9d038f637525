import { describe, expect, it, test } from 'vitest'
import { drawChart, ticks, wrap, type Chart } from '../../../bench/frame/chart.js'

test.each([
  [0, [0, 1]],
  [0.3, [0, 0.1, 0.2, 0.3]],
  [7, [0, 2, 4, 6, 8]],
  [10, [0, 2, 4, 6, 8, 10]],
  [4321, [0, 1000, 2000, 3000, 4000, 5000]]
])('an axis up to %d has the marks %j', (most, marks) => {
  expect(ticks(most)).toEqual(marks)
})

test('a caption is broken between words, and only where it is too long', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
  expect(wrap('one two three', 13)).toEqual(['one two three'])
  expect(wrap('incomprehensible to me', 5)).toEqual(['incomprehensible', 'to me'])
})

/** The points of the n-th curve, in the order in which they are drawn. */
const pointsOf = (svg: string, curve: number): number[][] =>
  ([...svg.matchAll(/<polyline [^>]*points="([^"]*)"/g)][curve]?.[1] ?? '').split(' ').map((point) => point.split(',').map(Number))

const chart: Chart = {
  title: 'Speed & "size"',
  caption: ['Linux <7>', 'measured'],
  across: 'services',
  panels: [
    {
      title: 'per second',
      curves: [
        {
          name: 'one',
          points: [
            [200, 10],
            [100, 5],
            [0, 0]
          ]
        },
        { name: 'two', points: [[100, 10]] }
      ]
    },
    { title: 'ms', curves: [{ name: 'two', points: [[100, 1]] }] }
  ]
}

describe('a chart', () => {
  const svg = drawChart(chart)

  it('has points where their values are, from left to right', () => {
    const [low, middle, high] = pointsOf(svg, 0)
    expect([middle?.[0], middle?.[1]]).toEqual([((low?.[0] ?? 0) + (high?.[0] ?? 0)) / 2, ((low?.[1] ?? 0) + (high?.[1] ?? 0)) / 2])
    expect(low?.[0]).toBeLessThan(high?.[0] ?? 0)
    // Up is less in SVG.
    expect(low?.[1]).toBeGreaterThan(high?.[1] ?? 0)
    // The same values stand at the same place in a panel.
    expect(pointsOf(svg, 1)).toEqual([[middle?.[0], high?.[1]]])
  })

  it('puts 0 on the line at the bottom, and the greatest mark at the top', () => {
    const bottom = /<line [^>]*y1="([^"]*)"[^>]*stroke="#333"/.exec(svg)?.[1]
    expect(pointsOf(svg, 0)[0]?.[1]).toBe(Number(bottom))
    expect(pointsOf(svg, 0)[2]?.[1]).toBe(34)
  })

  it('draws a curve of the same name in the same colour in all panels, with one entry in the legend', () => {
    const colours = [...svg.matchAll(/<polyline fill="none" stroke="([^"]*)"/g)].map(([, colour]) => colour)
    expect(colours[2]).toBe(colours[1])
    expect(colours[0]).not.toBe(colours[1])
    expect(svg.match(/>two<\/text>/g)).toHaveLength(1)
  })

  it('says where its values come from, in text that is XML', () => {
    expect(svg).toContain('<title>Speed &amp; &quot;size&quot;</title>')
    expect(svg).toContain('>Linux &lt;7&gt;</text>')
    expect(svg).toContain('>measured</text>')
  })

  it('makes room for a long caption', () => {
    const heightOf = (caption: readonly string[]): number => Number(/height="(\d+)"/.exec(drawChart({ ...chart, caption }))?.[1])
    expect(heightOf(['word '.repeat(50).trim()])).toBe(heightOf(['two', 'lines']))
    expect(heightOf(['word '.repeat(50).trim()])).toBe(heightOf(['one line']) + 18)
  })

  it('is refused where a panel has no values', () => {
    expect(() => drawChart({ ...chart, panels: [] })).toThrow('the chart \'Speed & "size"\' has no values')
    expect(() => drawChart({ ...chart, panels: [{ title: 'empty', curves: [{ name: 'one', points: [] }] }] })).toThrow("'empty'")
  })
})
