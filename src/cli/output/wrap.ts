/**
 * Text in lines of so many columns.
 */
import stringWidth from 'string-width'

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Pieces of a word that is longer than a line. */
function cut(word: string, width: number): string[] {
  const pieces: string[] = []
  let piece = ''
  for (const { segment } of graphemes.segment(word)) {
    if (piece !== '' && stringWidth(piece + segment) > width) {
      pieces.push(piece)
      piece = ''
    }
    piece += segment
  }
  return [...pieces, piece]
}

/** Wraps a text between its words. Only a word that is longer than a line is cut. @param width Columns of a line; undefined: a line may be as long as it wants. */
export function wrap(text: string, width: number | undefined): string[] {
  if (width === undefined || stringWidth(text) <= width) return [text]
  const lines: string[] = []
  for (const piece of text.split(' ').flatMap((word) => (stringWidth(word) > width ? cut(word, width) : [word]))) {
    const longer = lines.length === 0 ? piece : `${lines.at(-1)} ${piece}`
    if (lines.length > 0 && stringWidth(longer) > width) lines.push(piece)
    else lines.splice(-1, 1, longer)
  }
  return lines
}
