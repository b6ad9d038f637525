import { expect, it } from 'vitest'
import { ListText } from '../../../../../../../examples/proxy/sources/api/encoding/list-text.js'
import { Random } from '../../../../../../support/random.js'

interface List {
  readonly items: readonly unknown[]
}

/** What comes of a text in pieces of these sizes, which begin anew when they are used up: the items that were given before its end, and the whole. */
function readIn(text: string, sizes: readonly number[]): { readonly early: number; readonly list: unknown } {
  const bytes = Buffer.from(text)
  const reader = new ListText()
  const given: unknown[] = []
  for (let [from, turn] = [0, 0]; from < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!
    given.push(...reader.add(bytes.subarray(from, from + size)))
    from += size
  }
  const last = reader.end()
  const items = (last as Partial<List>).items
  return { early: given.length, list: Array.isArray(items) ? { ...(last as object), items: [...given, ...(items as unknown[])] } : last }
}

const HEAD = { kind: 'ServiceList', apiVersion: 'v1', metadata: { resourceVersion: '7', labels: 'of "items":[ {' } }
const item = (index: number, rest: object = {}): object => ({ metadata: { name: `s${index}`, text: 'ä€😀"},{"metadata":' }, ...rest })
const listOf = (count: number, rest?: object): List & object => ({
  ...HEAD,
  items: Array.from({ length: count }, (_, at) => item(at, rest))
})

it('gives the items of a long list as they come, and the rest at the end', () => {
  const list = listOf(20_000)
  for (const sizes of [[1 << 16], [1, 70_001], [3_000_000]]) {
    const { early, list: read } = readIn(JSON.stringify(list), sizes)
    expect(read).toEqual(list)
    if (sizes[0]! < 1e6) expect(early).toBeGreaterThan(15_000)
  }
})

it('is the parsed text, whatever the text and its pieces are', () => {
  const random = new Random(20_261_201)
  const texts: string[] = [
    ...[0, 1, 2, 5000].map((count) => JSON.stringify(listOf(count))),
    JSON.stringify(listOf(9000), undefined, 2),
    // Objects in items that begin as items do.
    JSON.stringify(listOf(5000, { spec: { templates: [item(1), item(2), item(3)] } })),
    JSON.stringify(listOf(50, { spec: { templates: Array.from({ length: 300 }, (_, at) => item(at)) } })),
    // Items that do not all begin alike, and things that are no list of items.
    JSON.stringify({
      ...HEAD,
      items: Array.from({ length: 9000 }, (_, at) => (at % 3 === 0 ? { kind: 'Service', ...item(at) } : item(at)))
    }),
    JSON.stringify({ ...HEAD, items: Array.from({ length: 99_000 }, (_, at) => at) }),
    JSON.stringify({ ...HEAD, items: { items: listOf(9000).items } }),
    JSON.stringify({ deeper: listOf(9000), ...HEAD, items: null }),
    JSON.stringify({ items: listOf(9000).items, ...HEAD }),
    JSON.stringify([listOf(9000)]),
    JSON.stringify({ ...HEAD, items: Array.from({ length: 9000 }, () => ({})) })
  ]
  for (const text of texts) {
    const sizes = Array.from({ length: 8 }, () => 1 + random.below(300_000))
    expect(readIn(text, sizes).list).toEqual(JSON.parse(text))
  }
})

it('takes no list for whole that ends too early, or has something else behind it', () => {
  const text = JSON.stringify(listOf(9000))
  for (const broken of [text.slice(0, -1), text.slice(0, 400_000), `${text},`, text.replace('"s8000"', 's8000'), ''])
    expect(() => readIn(broken, [65_536])).toThrow(SyntaxError)
})

it('takes time that grows with the text, where items cannot be told apart', () => {
  const text = JSON.stringify({ ...HEAD, items: [{ metadata: {}, all: Array.from({ length: 200_000 }, (_, at) => item(at)) }] })
  const { early, list } = readIn(text, [16_384])
  expect(early).toBe(0)
  expect((list as List).items).toHaveLength(1)
}, 20_000)
