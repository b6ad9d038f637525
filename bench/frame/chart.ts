/** Values over a number, one line of a panel. */
export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** Curves that share a vertical axis, which begins at 0. */
export interface Panel {
  readonly title: string
  readonly curves: readonly Curve[]
}

/** Panels side by side. Curves of the same name have the same colour, and one entry in the legend. */
export interface Chart {
  readonly title: string
  /** Lines beneath the title, broken where they are too long: where the values come from. */
  readonly caption: readonly string[]
  /** What the horizontal axes count. */
  readonly across: string
  readonly panels: readonly Panel[]
}

/** Colours that colour-blind readers tell apart (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const
const PANEL = { width: 440, height: 260, left: 64, right: 20, top: 34, bottom: 52 } as const
const MARGIN = 16
const LINE = 18
/** About as many lines as an axis has. */
const TICKS = 5

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character)
const round = (value: number): string => String(Math.round(value * 10) / 10)

/** About as wide as a letter of a caption is, of most fonts. */
const LETTER = 6.7

/** Breaks a text between words. A word that is longer than a line has a line of its own. */
export function wrap(words: string, letters: number): string[] {
  const lines: string[] = []
  for (const word of words.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`
    if (lines.length === 0 || longer.length > letters) lines.push(word)
    else lines[lines.length - 1] = longer
  }
  return lines
}

interface TextOptions {
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly size?: number
  readonly weight?: 'bold'
}

const text = (x: number, y: number, words: string, { anchor = 'start', size = 12, weight }: TextOptions = {}): string =>
  `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}"${weight === undefined ? '' : ` font-weight="${weight}"`}>${escape(words)}</text>`

const line = (x1: number, y1: number, x2: number, y2: number, colour: string): string =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}"/>`

/** Round numbers from 0 on, the last of which is not below `most`. */
export function ticks(most: number): number[] {
  if (!(most > 0)) return [0, 1]
  const power = 10 ** Math.floor(Math.log10(most / TICKS))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate * TICKS >= most) ?? power
  const count = Math.ceil(most / step - 1e-9)
  // Through text, as 3 * 0.1 is not 0.3.
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(6)))
}

/** Where values stand in a panel. */
interface Scale {
  readonly x: (value: number) => number
  readonly y: (value: number) => number
}

function drawAxes(across: string, title: string, xs: readonly number[], marks: readonly number[], { x, y }: Scale): string[] {
  const right = PANEL.width - PANEL.right
  const bottom = PANEL.height - PANEL.bottom
  return [
    text(PANEL.left, PANEL.top - 14, title, { weight: 'bold' }),
    ...marks.flatMap((mark) => [
      line(PANEL.left, y(mark), right, y(mark), '#ddd'),
      text(PANEL.left - 6, y(mark) + 4, mark.toLocaleString('en'), { anchor: 'end' })
    ]),
    line(PANEL.left, bottom, right, bottom, '#333'),
    ...xs.map((value) => text(x(value), bottom + 16, value.toLocaleString('en'), { anchor: 'middle', size: 11 })),
    text((PANEL.left + right) / 2, bottom + 38, across, { anchor: 'middle' })
  ]
}

function drawCurve({ points }: Curve, colour: string, { x, y }: Scale): string[] {
  const places = points.toSorted(([a], [b]) => a - b).map(([across, up]) => [round(x(across)), round(y(up))] as const)
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.map((place) => place.join(',')).join(' ')}"/>`,
    ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`)
  ]
}

function drawPanel({ title, curves }: Panel, across: string, colourOf: (name: string) => string): string[] {
  const points = curves.flatMap((curve) => curve.points)
  const xs = [...new Set(points.map(([value]) => value))].sort((a, b) => a - b)
  const marks = ticks(Math.max(...points.map(([, value]) => value)))
  const scaled = (value: number, most: number, from: number, to: number): number => from + (value / most) * (to - from)
  const scale: Scale = {
    x: (value) => scaled(value, xs.at(-1) ?? 1, PANEL.left, PANEL.width - PANEL.right - 14),
    y: (value) => scaled(value, marks.at(-1) ?? 1, PANEL.height - PANEL.bottom, PANEL.top)
  }
  return [...drawAxes(across, title, xs, marks, scale), ...curves.flatMap((curve) => drawCurve(curve, colourOf(curve.name), scale))]
}

/** The chart as SVG, on white. Throws a TypeError where a panel has no values. */
export function drawChart({ title, caption, across, panels }: Chart): string {
  const empty = panels.find(({ curves }) => curves.every(({ points }) => points.length === 0))
  if (empty !== undefined || panels.length === 0) throw new TypeError(`the chart '${empty?.title ?? title}' has no values`)
  const names = [...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name)))]
  const colourOf = (name: string): string => COLOURS[names.indexOf(name) % COLOURS.length] ?? '#000'
  const width = 2 * MARGIN + panels.length * PANEL.width
  const captionLines = caption.flatMap((words) => wrap(words, (width - 2 * MARGIN) / LETTER))
  const legendY = MARGIN + (captionLines.length + 2) * LINE
  const panelY = legendY + LINE
  const legendWidth = (width - 2 * MARGIN) / Math.max(names.length, 4)
  const height = panelY + PANEL.height
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(MARGIN, MARGIN + 8, title, { size: 15, weight: 'bold' }),
    ...captionLines.map((words, index) => text(MARGIN, MARGIN + 8 + (index + 1) * LINE, words, { size: 11 })),
    ...names.flatMap((name, index) => [
      `<rect x="${round(MARGIN + index * legendWidth)}" y="${legendY - 9}" width="18" height="4" fill="${colourOf(name)}"/>`,
      text(MARGIN + index * legendWidth + 24, legendY - 3, name)
    ]),
    ...panels.flatMap((panel, index) => [
      `<g transform="translate(${MARGIN + index * PANEL.width},${panelY})">`,
      ...drawPanel(panel, across, colourOf),
      '</g>'
    ]),
    '</svg>',
    ''
  ].join('\n')
}
