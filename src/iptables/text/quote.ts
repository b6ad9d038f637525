/**
 * Words of a line as iptables-save prints them, and as iptables-restore takes them apart.
 */

const PLAIN_TEXT = /^[-_0-9A-Za-z]+$/

/** What would be taken apart, or for something else, without quotes. */
const NEEDS_QUOTES = /[\s"\\']|^$/

function quote(text: string): string {
  return `"${text.replace(/["\\']/g, '\\$&')}"`
}

/**
 * Words as they are printed.
 *
 * @param texts Options whose value is a text: it is quoted but where it is a plain word.
 */
export function quoteWords(words: readonly string[], texts: readonly string[]): string[] {
  return words.map((word, index) => {
    const isText = texts.includes(words[index - 1] ?? '') && !PLAIN_TEXT.test(word)
    return isText || NEEDS_QUOTES.test(word) ? quote(word) : word
  })
}

/** A word of a line. */
export interface Word {
  readonly text: string
  /** Where it begins, from 1 on. */
  readonly column: number
  /** Whether it was quoted, wholly or in part: then it is no option. */
  readonly isQuoted: boolean
}

/** One character of a word, with what it does to the quoting. */
interface Step {
  readonly text: string
  readonly length: number
  readonly isInside: boolean
}

function step(line: string, at: number, isInside: boolean): Step {
  const character = line[at]!
  if (character === '"') return { text: '', length: 1, isInside: !isInside }
  // A backslash counts within quotes only.
  if (character === '\\' && isInside && at + 1 < line.length) return { text: line[at + 1]!, length: 2, isInside }
  return { text: character, length: 1, isInside }
}

function wordAt(line: string, begin: number): { readonly word: Word; readonly end: number } | undefined {
  let text = ''
  let isInside = false
  let isQuoted = false
  let at = begin
  while (at < line.length && (isInside || !/\s/.test(line[at]!))) {
    const taken = step(line, at, isInside)
    isQuoted ||= taken.isInside
    isInside = taken.isInside
    text += taken.text
    at += taken.length
  }
  return isInside ? undefined : { word: { text, column: begin + 1, isQuoted }, end: at }
}

/** The words of a line; the column instead where a quote begins that does not end. */
export function splitWords(line: string): readonly Word[] | number {
  const words: Word[] = []
  let at = 0
  for (;;) {
    while (at < line.length && /\s/.test(line[at]!)) at++
    if (at >= line.length) return words
    const found = wordAt(line, at)
    if (found === undefined) return at + 1
    words.push(found.word)
    at = found.end
  }
}
