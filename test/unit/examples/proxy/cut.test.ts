import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { cutterFor, formatOf } from '../../../../examples/proxy/manifests/cut.js'
import type { Manifests } from '../../../../examples/proxy/manifests/types.js'
import type { CutPiece } from '../../../../examples/proxy/manifests/cutter.js'
import { join, parsePiece } from '../../../../examples/proxy/manifests/parse.js'
import { parseManifests } from '../../../support/manifests.js'

/** The pieces of a text that comes in chunks of so many bytes. */
function piecesOf(text: string, chunkBytes: number, file = 'a.yaml'): string[] {
  const cutter = cutterFor(formatOf(file))
  const bytes = Buffer.from(text)
  const pieces: CutPiece[] = []
  for (let from = 0; from < bytes.length; from += chunkBytes) {
    const chunk = Buffer.from(bytes.subarray(from, from + chunkBytes))
    pieces.push(...cutter.add(chunk))
    // The next one has its place.
    chunk.fill('-')
  }
  return [...pieces, ...cutter.end()].map(({ bytes }) => bytes.toString())
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

/** What a file says that is cut into documents alone. */
function uncut(file: string, text: string): Manifests {
  const format = formatOf(file)
  const cutter = cutterFor(format, 'documents')
  const pieces = [...cutter.add(Buffer.from(text)), ...cutter.end()]
  return join(
    file,
    pieces.map(({ bytes, ...place }) => ({ piece: parsePiece(format, bytes.toString()), ...place }))
  )
}

/** Lines of lists, also wrong ones. */
const listLine = fc.constantFrom(
  ...[
    'items:\n',
    'items: # some\n',
    'items: []\n',
    'items: |\n',
    'kind: List\n',
    'kind: ServiceList\n',
    'kind: Service\n',
    'apiVersion: v1\n'
  ],
  ...[
    '- kind: Service\n  metadata: { name: a }\n',
    '- metadata: { name: b }\n',
    '- apiVersion: v1\n  kind: ConfigMap\n',
    '- 5\n',
    '-\n',
    '- |\n'
  ],
  ...[
    '  - kind: Service\n',
    ' - kind: ConfigMap\n',
    '- - 5\n',
    '  text\n',
    '   text\n',
    '- "a\n',
    'b"\n',
    '  b"\n',
    '# said\n',
    '\n',
    '  \n',
    '  # said\n'
  ],
  ...[
    '- &a { kind: Service }\n',
    '- *a\n',
    '- kind: List\n  items:\n  - kind: Service\n',
    'metadata: {}\n',
    '---\n',
    '--- # said\n',
    '...\n',
    '? a\n'
  ],
  ...['%YAML 1.1\n', '\t- a\n', '-\ta\n', "'items': 5\n", '- a: [\n', '  ]\n', ']\n', '- <<: { kind: Service }\n', 'x: &x\n', '- !!str 5\n']
)

it('a file of YAML says cut into the items of its lists what its documents say, in whatever chunks it comes', { timeout: 60_000 }, () => {
  const text = fc
    .tuple(
      fc.constantFrom('', 'kind: List\n', 'apiVersion: v1\n'),
      fc.constantFrom('', 'items:\n'),
      fc.array(listLine, { maxLength: 8 }),
      fc.constantFrom('', 'kind: List\n')
    )
    .map(([before, items, lines, behind]) => before + items + lines.join('') + behind)
  fc.assert(
    fc.property(text, fc.integer({ min: 3, max: 40 }), (whole, chunkBytes) => {
      expect(parseManifests('a.yaml', whole, chunkBytes)).toEqual(uncut('a.yaml', whole))
    }),
    { numRuns: 2000 }
  )
})

it('a list in YAML has a piece for each item, and one for the rest', () => {
  const items = ['- a: |\n    - b\n  # said\n  c: 1\n', '-\n  items:\n  - d\n# said\n']
  for (const chunkBytes of [3, 7, 1000]) {
    expect(piecesOf(`x: 1\n---\napiVersion: v1\nitems:\n${items.join('')}kind: List\n--- y`, chunkBytes)).toEqual([
      'x: 1\n',
      ...items.map((item) => `apiVersion: "v1"\nkind: "List"\nitems:\n${item}`),
      '---\napiVersion: v1\nitems:\nkind: List\n',
      '--- y'
    ])
    const deeper = items.map((item) => item.replaceAll(/^/gm, '  ').trimEnd() + '\n')
    expect(piecesOf(`kind: AList\nitems:\n\n${deeper.join('')}`, chunkBytes)).toEqual([
      ...deeper.map((item) => `kind: "AList"\nitems:\n${item}`),
      'kind: AList\nitems:\n\n'
    ])
  }
})

/** What lists of JSON are made of, also wrong ones. */
const word = fc.constantFrom(
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    ' ',
    '\n',
    '"items"',
    '"items":[',
    '"kind"',
    '"List"',
    '"kind":"List"',
    '"kind":"ServiceList"',
    '"a":1'
  ],
  ...['"it\\u0065ms"', '"a\\"[{"', '"apiVersion":"v1"', 'null', '5', '"ü"', '{"kind":"ConfigMap"}', '{"metadata":{"name":"a"}}', '],'],
  ...[
    '{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{}}',
    '{"kind":"Service","metadata":{"name":"b"}}',
    '"items":null',
    '}}'
  ]
)

/** A list as programs write them, with anything in it. */
const list = fc
  .tuple(
    fc.constantFrom(
      '',
      '"kind":"List",',
      '"kind":"ServiceList","apiVersion":"v1",',
      '"apiVersion":"v1",',
      '"metadata":{"items":[1]},',
      '"kind":"Service",'
    ),
    fc.array(word, { maxLength: 4 }).map((words) => words.join('')),
    fc.constantFrom(
      ...[
        '',
        ',"kind":"List"',
        ',"kind":"ServiceList"',
        ',"kind":"List","apiVersion":"v1"',
        ',"metadata":{}',
        ',"items":[]',
        ',"items":[5]'
      ],
      ...[',"kind":5', ',"kind":"Lists"', ',"apiVersion":"v2"']
    ),
    fc.constantFrom('}', '', '}\n', '} {}', ',}')
  )
  .map(([before, items, behind, end]) => `{${before}"items": [${items}]${behind}${end}`)

describe('a file of JSON', () => {
  it('says cut into items what the whole says, in whatever chunks it comes', { timeout: 60_000 }, () => {
    const text = fc.oneof(
      { weight: 3, arbitrary: list },
      fc.array(word, { maxLength: 12 }).map((words) => words.join(''))
    )
    fc.assert(
      fc.property(text, fc.integer({ min: 3, max: 40 }), (whole, chunkBytes) => {
        expect(parseManifests('a.json', whole, chunkBytes)).toEqual(
          join('a.json', [{ piece: parsePiece('json', whole), lines: 0, isPart: false }])
        )
      }),
      { numRuns: 3000 }
    )
  })

  it('has a piece for each item of a list, and one for the rest', () => {
    const items = ['{"kind":"A","b":[1,{"items":[2]}],"c":"],\\"}"}', ' {"kind":"B"}\n']
    for (const chunkBytes of [3, 7, 1000]) {
      expect(piecesOf(`\ufeff{"apiVersion":"v1","items":[${items.join()}],"kind":"List"}`, chunkBytes, 'a.json')).toEqual([
        ...items.map((item) => `{"apiVersion":"v1","kind":"List","items":[${item}]}`),
        '{"apiVersion":"v1","items":[],"kind":"List"}'
      ])
      expect(piecesOf(`{"kind":"AList", "metadata":{"items":[0]}, "items":[${items[1]}]}`, chunkBytes, 'a.json')).toEqual([
        `{"kind":"AList","items":[${items[1]}]}`,
        '{"kind":"AList", "metadata":{"items":[0]}, "items":[]}'
      ])
    }
  })

  it('that is no list is one piece, without its byte order mark', () => {
    expect(piecesOf('\ufeff{\n"a":\n1}', 3, 'a.json')).toEqual(['{\n"a":\n1}'])
    expect(piecesOf('', 3, 'a.json')).toEqual([''])
  })
})
