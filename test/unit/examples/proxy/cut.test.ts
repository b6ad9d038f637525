import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { cutterFor, formatOf } from '../../../../examples/proxy/manifests/cut.js'

/** The pieces of a text that comes in chunks of so many bytes. */
function piecesOf(text: string, chunkBytes: number, file = 'a.yaml'): string[] {
  const cutter = cutterFor(formatOf(file))
  const bytes = Buffer.from(text)
  const pieces: Buffer[] = []
  for (let from = 0; from < bytes.length; from += chunkBytes) {
    const chunk = Buffer.from(bytes.subarray(from, from + chunkBytes))
    pieces.push(...cutter.add(chunk))
    // The next one has its place.
    chunk.fill('-')
  }
  return [...pieces, ...cutter.end()].map((piece) => piece.toString())
}

/** What documents say; what is wrong with one stands for it. */
function meaningOf(texts: readonly string[]): unknown[] {
  return texts
    .flatMap((text) => [...parseAllDocuments(text, { merge: true, prettyErrors: false })])
    .map((document) => (document.errors.length > 0 ? document.errors.map(({ code }) => code) : { value: document.toJS() as unknown }))
}

const isBroken = (meaning: unknown): boolean => Array.isArray(meaning)

/** Lines that mean something beside each other, also wrong ones. */
const line = fc.constantFrom(
  ...['---\n', '---\r\n', '--- a: 1\n', '---x\n', '--- # said\n', '--- |\n', '...\n', '... # said\n', '# said\n', '\n', '  \n', '\r\n'],
  ...[
    '%YAML 1.1\n',
    '%TAG ! tag:a,2000:\n',
    'a: 1\n',
    'b: yes\n',
    '- c\n',
    'd: "e\n',
    'f"\n',
    'g: |\n',
    '  ---\n',
    '  text\n',
    'h: [\n',
    ']\n'
  ],
  ...["i: 'j\n", "k'\n", '? l\n', '---', '\t---\n', 'ü: 2\n', ' %a\n']
)

describe('a file of YAML', () => {
  it('is cut into pieces that say together what the whole says, in whatever chunks it comes', { timeout: 60_000 }, () => {
    const text = fc.tuple(fc.constantFrom('', '\ufeff'), fc.array(line, { maxLength: 14 })).map(([mark, lines]) => mark + lines.join(''))
    fc.assert(
      fc.property(text, fc.integer({ min: 3, max: 40 }), (whole, chunkBytes) => {
        const pieces = piecesOf(whole, chunkBytes)
        const bare = whole.replace(/^\ufeff/, '')
        expect(pieces.join('')).toBe(bare)
        const [parts, all] = [meaningOf(pieces), meaningOf([bare])]
        // A broken document may take others with it in the whole; as a piece it spoils itself alone.
        if (all.some(isBroken)) expect(parts.some(isBroken)).toBe(true)
        else expect(parts).toEqual(all)
      }),
      { numRuns: 500 }
    )
  })

  it('has a piece for each document', () => {
    for (const chunkBytes of [3, 7, 1000]) {
      expect(piecesOf('# first\n---\na: 1\n---\nb: |\n  ---\n--- c\n---', chunkBytes)).toEqual([
        '# first\n---\na: 1\n',
        '---\nb: |\n  ---\n',
        '--- c\n',
        '---'
      ])
      expect(piecesOf('a: 1\n---\nb: 2\n', chunkBytes)).toEqual(['a: 1\n', '---\nb: 2\n'])
      // What a directive says may be meant for all behind it.
      expect(piecesOf('a: 1\n---\nb: 2\n...\n%YAML 1.1\n---\nc: yes\n---\nd: yes\n', chunkBytes)).toEqual([
        'a: 1\n',
        '---\nb: 2\n...\n%YAML 1.1\n---\nc: yes\n---\nd: yes\n'
      ])
      expect(piecesOf('', chunkBytes)).toEqual([''])
    }
  })
})

it('a file of JSON is one piece, without its byte order mark', () => {
  expect(piecesOf('\ufeff{\n"a":\n1}', 3, 'a.json')).toEqual(['{\n"a":\n1}'])
})
