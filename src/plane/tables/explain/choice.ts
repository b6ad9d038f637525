/**
 * Which endpoint the chain of a slot class leads to.
 */
import { parseAddress } from '../../../core/address.js'
import type { ExplainedShare, ExplainedTarget } from '../../explanation.js'
import { formatTarget } from '../../core/frontend.js'
import { HASH_SEED, MAX_EXACT, TRIES } from '../layout/balancing.js'
import { missingSlots } from '../reading/ways.js'
import { setsOf, type SlotClass } from '../layout/sets.js'
import { jhashModulus } from './jhash.js'
import { frontendKey, type Destination, type Scene } from './scene.js'

/** The endpoint in each slot that has one. */
type Slots = ReadonlyMap<number, ExplainedTarget>

async function readSlots(scene: Scene, slotClass: SlotClass, destination: Destination): Promise<Slots> {
  const key = frontendKey(scene, slotClass.scope, destination)
  const keys = Array.from({ length: slotClass.slots }, (_, slot) => [...key, slot])
  const slots = new Map<number, ExplainedTarget>()
  for (const element of await scene.lookups.among(setsOf(scene.question.family, slotClass).endpoints, keys)) {
    const slot = (element.key as readonly unknown[]).at(-1) as number
    const [address, port] = element.data as readonly [string, number]
    slots.set(slot, { address, port })
  }
  return slots
}

/** How many slots each try of a class chooses among. */
function triesOf({ slots }: Pick<SlotClass, 'slots'>): number[] {
  return slots <= MAX_EXACT ? [slots] : [...Array.from({ length: TRIES }, () => slots), slots / 2]
}

/** How likely each slot is: each try is made where those before it found nothing. */
export function slotProbabilities(slotClass: Pick<SlotClass, 'slots'>, isUsed: (slot: number) => boolean): Map<number, number> {
  const used = Array.from({ length: slotClass.slots }, (_, slot) => slot).filter(isUsed)
  const probabilities = new Map(used.map((slot) => [slot, 0]))
  let isReached = 1
  for (const count of triesOf(slotClass)) {
    const found = used.filter((slot) => slot < count)
    for (const slot of found) probabilities.set(slot, probabilities.get(slot)! + isReached / count)
    isReached *= 1 - found.length / count
  }
  return probabilities
}

/** The slot that the client's hash leads to. */
export function hashedSlot(slotClass: Pick<SlotClass, 'slots'>, client: string, isUsed: (slot: number) => boolean): number | undefined {
  const address = parseAddress(client)!
  for (const [attempt, count] of triesOf(slotClass).entries()) {
    const slot = jhashModulus(address, count, HASH_SEED + attempt)
    if (isUsed(slot)) return slot
  }
  return undefined
}

/** Endpoints with the probabilities of their slots together, in the order of their first slots. */
function shares(slots: Slots, probabilities: ReadonlyMap<number, number>): ExplainedShare[] {
  const byTarget = new Map<string, ExplainedTarget & { readonly probability: number }>()
  for (const [slot, probability] of probabilities) {
    const target = slots.get(slot)!
    const name = formatTarget(target)
    byTarget.set(name, { ...target, probability: (byTarget.get(name)?.probability ?? 0) + probability })
  }
  return [...byTarget.values()]
}

/** Follows the rules that choose a slot. Returns where the connection may go; nowhere: it goes on untranslated. */
export async function choose(scene: Scene, slotClass: SlotClass, destination: Destination): Promise<readonly ExplainedShare[]> {
  const { trail, client } = scene
  const slots = await readSlots(scene, slotClass, destination)
  const isUsed = (slot: number): boolean => slots.has(slot)
  const { endpoints: map } = setsOf(scene.question.family, slotClass)
  trail.lacks(missingSlots(scene.lost, scene.mapOf(map), slotClass, { count: slots.size, last: Math.max(0, ...slots.keys()) }))
  const endpoints = shares(slots, slotProbabilities(slotClass, isUsed))
  if (endpoints.length === 0) return []
  const { choice: scheduler } = slotClass
  const source = scheduler === 'hash' && endpoints.length > 1 ? client.address : undefined
  if (source === undefined) {
    trail.add({ type: 'choice', scheduler, endpoints })
    return endpoints
  }
  const slot = hashedSlot(slotClass, source, isUsed)
  const chosen = slot === undefined ? undefined : slots.get(slot)
  trail.add({ type: 'choice', scheduler, endpoints, chosen })
  return chosen === undefined ? [] : [{ ...chosen, probability: 1 }]
}
