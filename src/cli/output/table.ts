/**
 * Tables of text that fit a terminal.
 */
import CliTable, { type TableConstructorOptions } from 'cli-table3'
import stringWidth from 'string-width'
import { printable } from '../../core/errors.js'
import { wrap } from './wrap.js'

/** A column: its heading, and the fewest characters it is narrowed to before the next one is. */
export interface Column {
  readonly heading: string
  readonly min: number
  /** Where a terminal is too narrow for all columns, those with the lowest number go first. Absent: it stays. */
  readonly rank?: number
  /** Whether its words are not cut, unless they are longer than the address of a socket of IPv4, where columns that are spare can make room for them. */
  readonly isWhole?: boolean
  /** Whether it goes before words of columns that are whole are cut. */
  readonly isSpare?: boolean
}

const GAP = 2

/** Characters of `255.255.255.255:65535`. */
const MAX_WHOLE = 21

const NO_LINES: NonNullable<TableConstructorOptions['chars']> = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '' }
}

/** Characters that columns need, if each is as narrow as it can be. */
const leastWidth = (columns: readonly Column[]): number => columns.reduce((sum, { min }) => sum + min + GAP, -GAP)

/** The places that are left where columns go, those with the lowest rank first, until the others have room. */
function without(places: readonly number[], columns: readonly Column[], width: number, mayGo: (column: Column) => boolean): number[] {
  const left = [...places]
  const leaving = left.filter((place) => mayGo(columns[place]!)).sort((a, b) => columns[a]!.rank! - columns[b]!.rank!)
  for (const place of leaving) if (leastWidth(left.map((one) => columns[one]!)) > width) left.splice(left.indexOf(place), 1)
  return left
}

/** The columns for which there is room, by their places: with whole words where spare columns can make room for them. */
function columnsFor(all: readonly Column[], rows: readonly (readonly string[])[], width: number): ReadonlyMap<number, Column> {
  const asked = all.map((column, place) => withWords(column, place, rows))
  const fitting = without([...all.keys()], all, width, ({ rank }) => rank !== undefined)
  const whole = without(fitting, asked, width, ({ isSpare }) => isSpare === true)
  const isWhole = leastWidth(whole.map((place) => asked[place]!)) <= width
  return new Map((isWhole ? whole : fitting).map((place) => [place, (isWhole ? asked : all)[place]!]))
}

/** A column that is no narrower than its words. */
function withWords(column: Column, place: number, rows: readonly (readonly string[])[]): Column {
  if (column.isWhole !== true) return column
  let min = column.min
  for (const row of rows) for (const word of row[place]!.split(' ')) min = Math.max(min, Math.min(word.length, MAX_WHOLE))
  return { ...column, min }
}

/** Columns that are too wide together give up characters, the widest first, until they fit or none can give any. */
function fit(wanted: readonly number[], columns: readonly Column[], width: number): number[] {
  const widths = [...wanted]
  const total = (): number => widths.reduce((sum, each) => sum + each + GAP, -GAP)
  while (total() > width) {
    let widest = -1
    for (const [index, { min }] of columns.entries())
      if (widths[index]! > min && (widest < 0 || widths[index]! > widths[widest]!)) widest = index
    if (widest < 0) break
    widths[widest]!--
  }
  return widths
}

/**
 * A table with headings, columns two spaces apart. What does not fit is wrapped between words inside of its column; where even that does not do, columns are left out.
 *
 * @param width Columns of the terminal; undefined: lines are as long as they are.
 * @returns Lines without spaces at their ends.
 */
export function formatTable(all: readonly Column[], rows: readonly (readonly string[])[], width: number | undefined): string[] {
  const chosen = width === undefined ? new Map(all.entries()) : columnsFor(all, rows, width)
  const [places, columns] = [[...chosen.keys()], [...chosen.values()]]
  const texts = [columns.map(({ heading }) => heading), ...rows.map((row) => places.map((place) => printable(row[place]!)))]
  const wanted = columns.map((_, index) => texts.reduce((most, row) => Math.max(most, widthOf(row[index]!)), 0))
  if (width === undefined)
    return texts.map((row) =>
      row
        .map((text, index) => padded(text, wanted[index]!))
        .join(' '.repeat(GAP))
        .trimEnd()
    )
  const widths = fit(wanted, columns, width)
  const lines: string[] = []
  for (let from = 0; from < texts.length; from += BLOCK) lines.push(...blockLines(texts.slice(from, from + BLOCK), widths))
  return lines
}

const ASCII = /^[\x20-\x7e]*$/

/** Columns of a text. Nearly all texts are of ASCII, of which each character is one, and there may be a hundred thousand of them. */
const widthOf = (text: string): number => (ASCII.test(text) ? text.length : stringWidth(text))

const padded = (text: string, width: number): string => text + ' '.repeat(width - widthOf(text))

/** Rows that cli-table3 lays out at once: its time grows with the square of their number. */
const BLOCK = 32

function blockLines(rows: readonly string[][], widths: readonly number[]): string[] {
  const table = new CliTable({
    chars: NO_LINES,
    style: { 'padding-left': 0, 'padding-right': GAP, head: [], border: [], compact: true },
    colWidths: widths.map((each) => each + GAP)
  })
  table.push(...rows.map((row) => row.map((text, index) => wrap(text, widths[index]).join('\n'))))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
}
