/**
 * Conditions on neighbouring fields become one: `tcp sport 1 tcp dport 2` is a single load and comparison of 4 bytes, as nft writes it (nftables, src/rule.c stmt_reduce).
 */
import type { Expression } from '../expressions.js'

/** A condition `field == value` or `field != value` on whole bytes of a header. */
export interface PayloadMatch {
  readonly base: 'link' | 'network' | 'transport'
  readonly offset: number
  readonly value: Uint8Array
  readonly op: 'eq' | 'neq'
  /** Whether later fields are read because of it. */
  readonly namesUpper: boolean
}

/** One step of a rule before its last form. */
export type Step =
  | { readonly kind: 'match'; readonly match: PayloadMatch }
  /** Another condition: conditions before and behind it may change places. */
  | { readonly kind: 'condition'; readonly expressions: readonly Expression[] }
  /** An effect: nothing may be moved across it. */
  | { readonly kind: 'effect'; readonly expressions: readonly Expression[] }

const BASES: readonly PayloadMatch['base'][] = ['link', 'network', 'transport']
/** The kernel compares up to 4 bytes of the network and transport headers on a short path. */
const FAST_BYTES = 4
const MAX_BYTES = 16

function canMerge(left: PayloadMatch, right: PayloadMatch): boolean {
  // Two fields that differ from two values: at least one byte of both together may differ by less.
  if (left.op !== 'eq' || right.op !== 'eq') return false
  if (left.base !== right.base || left.offset + left.value.length !== right.offset) return false
  const total = left.value.length + right.value.length
  if (total > MAX_BYTES) return false
  return total <= FAST_BYTES || left.base === 'link' || left.value.length > FAST_BYTES || right.value.length > FAST_BYTES
}

function merged(left: PayloadMatch, right: PayloadMatch): PayloadMatch {
  const value = new Uint8Array(left.value.length + right.value.length)
  value.set(left.value)
  value.set(right.value, left.value.length)
  return { ...left, value, namesUpper: left.namesUpper || right.namesUpper }
}

function byPlace(left: { match: PayloadMatch }, right: { match: PayloadMatch }): number {
  return BASES.indexOf(left.match.base) - BASES.indexOf(right.match.base) || left.match.offset - right.match.offset
}

/** Merges among the steps from `from` to `to`; what is merged away becomes undefined. */
function mergeRun(steps: (Step | undefined)[], from: number, to: number): void {
  const matches = steps
    .slice(from, to)
    .flatMap((step, index) => (step?.kind === 'match' ? [{ index: from + index, match: step.match }] : []))
    .sort(byPlace)
  let last = matches[0]
  for (const current of matches.slice(1)) {
    if (last === undefined || !canMerge(last.match, current.match)) {
      last = current
      continue
    }
    // The merged condition takes the place of the one that later fields depend on, if one is such; else of the first.
    const keeps: { index: number; match: PayloadMatch } = current.match.namesUpper ? current : last
    const goes = keeps === current ? last : current
    const match = merged(last.match, current.match)
    steps[keeps.index] = { kind: 'match', match }
    steps[goes.index] = undefined
    last = { index: keeps.index, match }
  }
}

/** Loads the field and compares it. */
export function loadMatch(match: PayloadMatch): Expression[] {
  return [
    { type: 'payload', destinationRegister: 1, base: match.base, offset: match.offset, length: match.value.length },
    { type: 'cmp', sourceRegister: 1, op: match.op, data: match.value }
  ]
}

/** The expressions of a rule's steps. */
export function mergeSteps(steps: readonly Step[]): Expression[] {
  const result: (Step | undefined)[] = [...steps]
  let from = 0
  for (const [index, step] of steps.entries()) {
    if (step.kind !== 'effect') continue
    mergeRun(result, from, index)
    from = index + 1
  }
  mergeRun(result, from, steps.length)
  return result.flatMap((step) => (step === undefined ? [] : step.kind === 'match' ? loadMatch(step.match) : step.expressions))
}
