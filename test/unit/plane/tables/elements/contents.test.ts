import { expect, it } from 'vitest'
import { Slices } from '../../../../../src/core/slices.js'
import type { Service } from '../../../../../src/index.js'
import type { ElementBuffer } from '../../../../../src/nftables/element-buffer.js'
import type { ServiceChange } from '../../../../../src/plane/core/changes/change.js'
import { Marks } from '../../../../../src/plane/ipvs/marks.js'
import { schedulersWith, type CompileOptions } from '../../../../../src/plane/tables/elements/frontends.js'
import { CommittedContents } from '../../../../../src/plane/tables/elements/contents.js'
import { Random } from '../../../../support/random.js'
import { randomService } from '../../../../support/random-services.js'

/** Where the tables balance, where IPVS does, and where relays do. */
const all: readonly CompileOptions[] = [
  { schedulerOf: schedulersWith(), dropInvalid: true, marks: undefined, relays: undefined },
  { schedulerOf: () => 'random', dropInvalid: false, marks: new Marks(), relays: undefined },
  { schedulerOf: () => 'random', dropInvalid: false, marks: undefined, relays: { portOf: ({ name }) => 40_000 + name.length } }
]

/** Numbers of elements of all sets that have some. */
const counted = (contents: CommittedContents): string[] =>
  [...contents.sizes()]
    .filter(([, rows]) => rows > 0)
    .map(([{ family, name }, rows]) => `${family} ${name} ${rows}`)
    .sort()

it.each(all)('counts the rows of every set as they are when put together, through random changes', async (options) => {
  const random = new Random(7)
  const services = new Map<string, Service>()
  const { contents } = await CommittedContents.of(services, options, new Slices())
  for (let step = 0; step < 200; step++) {
    const after = randomService(random, random.below(25))
    const gone = services.get(`default/service-${random.below(25)}:http`)
    const changes: ServiceChange[] = [{ name: after.name, before: services.get(after.name), after }]
    if (gone !== undefined && gone.name !== after.name) changes.push({ name: gone.name, before: gone })
    contents.apply(await contents.changeFor(changes))
    for (const change of changes) {
      if (change.after === undefined) services.delete(change.name)
      else services.set(change.name, change.after)
    }
    const whole = await CommittedContents.of(services, options, new Slices())
    const wanted = [...whole.tables.entries()].map(({ set: { family, name }, table }) => `${family} ${name} ${table.rows}`).sort()
    // However many were expected, and whatever is there.
    const expected = new Map([...whole.tables.entries()].map(({ set }) => [set, random.below(4)] as const))
    const other = await CommittedContents.of(services, options, new Slices(), expected)
    const keysOf = (tables: typeof whole.tables): string[] =>
      [...tables.entries()].map(({ set: { family, name }, table: { buffer } }) =>
        [family, name, ...Array.from({ length: buffer.rows }, (_, row) => Buffer.from(buffer.keyAt(row)).toString('hex'))].join(' ')
      )
    expect(keysOf(other.tables)).toEqual(keysOf(whole.tables))
    expect(counted(contents)).toEqual(wanted)
    expect(counted(whole.contents)).toEqual(wanted)
  }
})

it.each(all)('hands out the elements of each set as they are when all are put together', async (options) => {
  const random = new Random(5)
  const services = new Map(
    Array.from({ length: 60 }, (_, number) => randomService(random, number)).map((service) => [service.name, service])
  )
  const { contents, tables } = await CommittedContents.of(services, options, new Slices())
  let sets = 0
  for (const { set, table } of tables.entries()) {
    const elements = await contents.elements(set, services)
    const rows = (buffer: ElementBuffer): string[] =>
      Array.from({ length: buffer.rows }, (_, row) =>
        [buffer.keyAt(row), buffer.dataAt(row), buffer.userdataAt(row)].map((bytes) => Buffer.from(bytes).toString('hex')).join(' ')
      ).sort()
    expect(rows(elements)).toEqual(rows(table.buffer))
    expect(contents.rows(set)).toBe(table.rows)
    sets++
  }
  expect(sets).toBeGreaterThan(10)
})
