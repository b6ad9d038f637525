import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { ManifestFile } from '../../../../examples/proxy/manifests/file.js'
import { parserAtOnce, type PieceParser } from '../../../../examples/proxy/manifests/parse.js'
import type { Manifests } from '../../../../examples/proxy/manifests/types.js'
import { makeFolder, manifest } from '../../../support/manifests.js'

afterEach(() => vi.useRealTimers())

const SERVICES = 300
const all = (changed = -1): string =>
  Array.from({ length: SERVICES }, (_, index) =>
    manifest(`s${index}`, `10.96.${index >> 8}.${index & 255}`, index === changed ? '10.1.9.9' : '10.1.0.1')
  ).join('---\n')

/** A parser that says how many pieces it was given, and may do something before it parses. */
function counting(before: () => Promise<void> = () => Promise.resolve()): PieceParser & { readonly counts: number[] } {
  const counts: number[] = []
  const parse: PieceParser['parse'] = async (format, texts) => {
    counts.push(texts.length)
    await before()
    return parserAtOnce.parse(format, texts)
  }
  return { counts, parse, close: () => undefined }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

async function makeFile(text: string, name = 'all.yaml'): Promise<{ readonly path: string; readonly file: ManifestFile }> {
  const path = join(await makeFolder(), name)
  await writeFile(path, text)
  return { path, file: new ManifestFile(path) }
}

it('a change of one document costs that document alone: the others keep their objects', async () => {
  const { path, file } = await makeFile(all())
  const parser = counting()
  const first = await file.read(parser)
  expect(first.objects).toHaveLength(2 * SERVICES)
  // In several batches, so that not all of a large file is held.
  expect(parser.counts.length).toBeGreaterThan(1)
  expect(sum(parser.counts)).toBe(2 * SERVICES)

  await writeFile(path, all(77))
  const second = counting()
  const { objects } = await file.read(second)
  expect(second.counts).toEqual([1])
  expect(objects.filter((object, index) => object !== first.objects[index]).map(({ metadata }) => metadata.name)).toEqual(['s77-1'])

  // Documents that have moved are those that they were.
  await writeFile(path, `${manifest('new', '10.97.0.1', '10.1.0.1')}---\n${all()}`)
  const third = counting()
  const moved = await file.read(third)
  expect(sum(third.counts)).toBeLessThanOrEqual(4)
  expect(moved.objects.filter((object) => !first.objects.includes(object)).length).toBeLessThanOrEqual(4)
})

it('a change of one item of a list in JSON costs that item alone', async () => {
  const list = (changed: number): string => {
    const items = Array.from({ length: SERVICES }, (_, index) => ({
      kind: 'Service',
      apiVersion: 'v1',
      metadata: { name: `s${index}` },
      spec: { clusterIP: '10.96.0.1', ports: [{ port: index === changed ? 81 : 80 }] }
    }))
    return JSON.stringify({ apiVersion: 'v1', items, kind: 'List' }, undefined, 4)
  }
  const { path, file } = await makeFile(list(-1), 'all.json')
  const parser = counting()
  const first = await file.read(parser)
  expect(first.objects).toHaveLength(SERVICES)
  expect(parser.counts.length).toBeGreaterThan(1)

  await writeFile(path, list(77))
  const second = counting()
  const { objects } = await file.read(second)
  expect(second.counts).toEqual([1])
  expect(objects.filter((object, index) => object !== first.objects[index]).map(({ metadata }) => metadata.name)).toEqual(['s77'])

  // Half of it says nothing of the rest.
  await writeFile(path, list(77).slice(0, 5000))
  expect(await file.read(parserAtOnce)).toEqual({
    objects: [],
    problems: [{ file: 'all.json', document: 1, reason: expect.stringContaining('JSON') as string }]
  })
})

it('problems are numbered by the documents of the whole file, and count its lines', async () => {
  const linesOf = (text: string): number => text.split('\n').length - 1
  const { path, file } = await makeFile(`${all()}---\nkind: Service\nmetadata: [\n`)
  const problem = async (): Promise<Manifests['problems']> => (await file.read(parserAtOnce)).problems
  expect(await problem()).toEqual([
    {
      file: 'all.yaml',
      document: 2 * SERVICES + 1,
      reason: expect.stringMatching(new RegExp(` at line ${linesOf(all()) + 4}, column 1$`)) as string
    }
  ])
  await writeFile(path, `kind: Other\n---\n${all()}---\nkind: Service\nmetadata: [\n`)
  // Nothing but the place of the broken document has changed.
  const reason = expect.stringMatching(new RegExp(` at line ${linesOf(all()) + 6}, column 1$`)) as string
  expect(await problem()).toEqual([{ file: 'all.yaml', document: 2 * SERVICES + 2, reason }])
})

it('a file that changes while it is read is read again, and nothing is made of two states together', async () => {
  const { path, file } = await makeFile(all())
  let times = 0
  const once = counting(async () => {
    if (times++ === 0) await writeFile(path, all(1))
  })
  const { objects } = await file.read(once)
  expect(objects).toEqual((await new ManifestFile(path).read(parserAtOnce)).objects)

  let number = 0
  const always = counting(() => appendFile(path, `---\n${manifest(`more-${number++}`, '10.97.0.1', '10.1.0.1')}`))
  await appendFile(path, '---\nkind: Other\n')
  await expect(file.read(always)).rejects.toThrow('it changes while it is read')
})

it('a file that has been as it is for some time is not read again', async () => {
  const { path, file } = await makeFile(all())
  const first = await file.read(parserAtOnce)
  // Another change of the same moment may have left the same times.
  const second = await file.read(parserAtOnce)
  expect(second).not.toBe(first)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 })
  const settled = await file.read(parserAtOnce)
  expect(await file.read(parserAtOnce)).toBe(settled)
  await writeFile(path, all(5))
  expect((await file.read(parserAtOnce)).objects.filter((object, index) => object !== settled.objects[index])).toHaveLength(1)
})
