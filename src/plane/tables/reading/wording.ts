/**
 * Differences between elements that are there and those that services need, in words of the model.
 */
import { formatSocketAddress } from '../../../core/address.js'
import { Slices } from '../../../core/slices.js'
import { differing, memoryText, reachText } from '../../core/changes/plan.js'
import { frontendLabel } from '../../core/frontend.js'
import type { Services } from '../../model.js'
import { CommittedContents } from '../elements/contents.js'
import type { SetTables } from '../elements/changes.js'
import { endpointWords, frontendWords, writeSlot } from '../elements/frontend-key.js'
import type { CompileOptions } from '../elements/frontends.js'
import { commentOf, shortenName } from '../layout/comment.js'
import { setsOf, type ElementSet, type SetKind } from '../layout/sets.js'
import { otherRanges, sourceRangesIn } from './range-wording.js'

/** Slots by endpoint. */
type Slots = Map<string, number>

/** Who answers at each frontend of a service. A frontend that stands in several sets has the endpoints of all of them. */
type Answers = Map<string, Slots>

/** Whose element a row is; undefined: it is of no service that was asked for. */
type OwnerOf = (set: ElementSet, row: number) => string | undefined

/** Sets of frontends without endpoints: nobody serves them, for some clients, or a relay does. */
const BARE: ReadonlySet<SetKind> = new Set<SetKind>(['refused', 'refused-inside', 'dropped', 'dropped-outside', 'relays'])

function endpointLabel(data: Uint8Array): string {
  const { address, port } = endpointWords(data)
  return formatSocketAddress(address, port)
}

function addSlots(slots: Slots, tables: SetTables, set: ElementSet, frontend: Uint8Array): void {
  const { family, slotClass } = set
  const endpoints = slotClass && tables.find(setsOf(family, slotClass).endpoints)?.table
  if (endpoints === undefined) return
  const key = new Uint8Array(frontend.length + 4)
  key.set(frontend)
  for (let slot = 0; slot < slotClass!.slots; slot++) {
    writeSlot(key, slot)
    const row = endpoints.find(key)
    if (row < 0) continue
    const endpoint = endpointLabel(endpoints.buffer.dataAt(row))
    slots.set(endpoint, (slots.get(endpoint) ?? 0) + 1)
  }
}

/** Reads the answers of services out of elements. */
async function answersIn(tables: SetTables, ownerOf: OwnerOf, slices: Slices): Promise<ReadonlyMap<string, Answers>> {
  const found = new Map<string, Answers>()
  for (const { set, table } of [...tables.entries()]) {
    if (set.kind !== 'members' && !BARE.has(set.kind)) continue
    await slices.times(table.rows, (row) => {
      const owner = ownerOf(set, row)
      if (owner === undefined) return
      const key = table.buffer.keyAt(row)
      const answers = found.get(owner) ?? new Map<string, Slots>()
      const label = frontendLabel(set.family, frontendWords(set.scope, key))
      const slots = answers.get(label) ?? new Map<string, number>()
      found.set(owner, answers.set(label, slots))
      if (set.kind === 'members') addSlots(slots, tables, set, key)
    })
  }
  return found
}

/** Endpoints with the part of new connections that each has, in percent. */
function sharesOf(slots: Slots): ReadonlyMap<string, string> {
  const sum = [...slots.values()].reduce((before, count) => before + count, 0)
  return new Map([...slots].map(([endpoint, count]) => [endpoint, `${Number(((count / sum) * 100).toPrecision(3))} %`]))
}

function endpointsOf(answers: Answers): ReadonlySet<string> {
  return new Set([...answers.values()].flatMap((slots) => [...slots.keys()]))
}

/** Phrases for endpoints that stay where they are, and get another part of new connections. */
function shifted(before: Answers, after: Answers): string[] {
  const phrases = new Set<string>()
  for (const [frontend, slots] of after) {
    const [old, now] = [sharesOf(before.get(frontend) ?? new Map<string, number>()), sharesOf(slots)]
    for (const [endpoint, share] of now) {
      const was = old.get(endpoint)
      if (was !== undefined && was !== share) phrases.add(`${endpoint} share: ${was} -> ${share}`)
    }
  }
  return [...phrases]
}

/** For how many seconds frontends remember clients, by {@link frontendLabel}. */
type Memories = ReadonlyMap<string, number>

function memoriesIn(tables: SetTables): Memories {
  const memories = new Map<string, number>()
  for (const { set, table } of tables.entries()) {
    if (set.kind !== 'sticky') continue
    for (let row = 0; row < table.rows; row++)
      memories.set(frontendLabel(set.family, frontendWords(set.scope, table.buffer.keyAt(row))), set.stickiness!.timeoutSeconds)
  }
  return memories
}

/** Phrases for frontends that stay, and remember clients for another time. */
function remembering(frontends: Iterable<string>, before: Memories, after: Memories): string[] {
  return [...frontends].flatMap((label) => {
    const [old, now] = [memoryText(before.get(label)), memoryText(after.get(label))]
    return old === now ? [] : [`affinity of ${label}: ${old} -> ${now}`]
  })
}

const NONE: Answers = new Map()

/** What is different, a phrase each. Where endpoints come and go, the shares of the others follow, and are not told. */
function phrases(before: Answers = NONE, after: Answers = NONE): string[] {
  const frontends = differing('frontend', new Set(before.keys()), new Set(after.keys()))
  const endpoints = differing('endpoint', endpointsOf(before), endpointsOf(after))
  return [...frontends, ...endpoints, ...(endpoints.length === 0 ? shifted(before, after) : [])]
}

/** A service in a few words, as {@link describeService} has them. */
function described(answers: Answers): string[] {
  return answers.size === 0 ? [] : [reachText([...answers.keys()], endpointsOf(answers).size)]
}

/**
 * What elements of services say of frontends and endpoints, beside what they should say.
 *
 * @param there Elements that were read.
 * @param changing Services of which something is there, by their names.
 * @param leaving Names of services that are not to be there, as comments have them.
 * @returns Phrases by name, as {@link PlanEntry.details} has them; none of a service in which something else differs.
 */
export async function wordDifferences(
  there: SetTables,
  changing: Services,
  leaving: readonly string[],
  options: CompileOptions
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (changing.size + leaving.length === 0) return new Map()
  const slices = new Slices()
  const names = new Map([
    ...leaving.map((name) => [name, name] as const),
    ...[...changing.keys()].map((name) => [shortenName(name), name] as const)
  ])
  const commented: OwnerOf = (set, row) => {
    const comment = commentOf(there.of(set).table.buffer.userdataAt(row))
    return comment === undefined ? undefined : names.get(comment)
  }
  const before = await answersIn(there, commented, slices)
  const { tables } = await CommittedContents.of(changing, options, slices)
  const after = await answersIn(tables, (set, row) => tables.of(set).owners[row], slices)
  const [remembered, remember] = [memoriesIn(there), memoriesIn(tables)]
  const stay = (name: string): string[] => [...(after.get(name) ?? NONE).keys()].filter((label) => before.get(name)?.has(label))
  const [ranged, range] = [sourceRangesIn(there), sourceRangesIn(tables)]
  const others = (name: string): string[] => {
    const frontends = stay(name)
    return [...remembering(frontends, remembered, remember), ...otherRanges(frontends, ranged, range)]
  }
  return new Map([
    ...[...changing.keys()].map((name) => [name, [...phrases(before.get(name), after.get(name)), ...others(name)]] as const),
    ...leaving.map((name) => [name, described(before.get(name) ?? NONE)] as const)
  ])
}
