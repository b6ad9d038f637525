/**
 * Edits as operations of nf_tables.
 */
import type { IptablesRule } from '../../../iptables/index.js'
import { baseChain } from '../../../iptables/tables.js'
import type { CommitReport, Transaction } from '../../../nftables/index.js'
import type { Owners, Step } from '../../../nftables/steps.js'
import type { Addition, Edits, Filling, Removal } from '../edits.js'
import { isChainOf } from '../layout/names.js'
import { keyOf, writeRule, type Place } from '../rules.js'
import type { SharedHandles } from './handles.js'

/** What tables and base chains that we made are called by, so that they can go again where nobody else uses them. */
export const MADE_COMMENT = 'made by netplane'

/** Bytes of one rule in a message, about. */
const RULE_BYTES = 600
const CHAIN_BYTES = 120
/** Operations of one step that could as well be several. */
const REMOVALS = 16

/** Rules in chains that services share whose handles the kernel is asked for: of more, the chain is listed when one of them is to go. */
const MAX_ECHOES = 256

function makeChain(tx: Transaction, { family, table, chain: name }: Place): void {
  tx.add.chain({ family, table, name })
}

function makeBase(tx: Transaction, { family, table, chain }: Place): void {
  const { name, type, hook, priority } = baseChain(table, chain)!
  tx.add.chain({ family, table, name, type, hook, priority, policy: 'accept', comment: MADE_COMMENT })
}

/** Where the rules of an addition come, in the order in which they are put there: each at the very begin, so that the first comes last. */
const inTurn = ({ rules, at }: Addition): readonly IptablesRule[] => (at === 'begin' ? rules.toReversed() : rules)

/** What was added: where, and by which operation. */
interface Added {
  readonly place: Place
  readonly rule: IptablesRule
  readonly operation: number
}

const ruleCount = (parts: readonly { readonly rules: readonly IptablesRule[] }[]): number =>
  parts.reduce((sum, { rules }) => sum + rules.length, 0)

/** What is led to before what leads there. */
const inOrder = (fillings: readonly Filling[]): readonly Filling[] => {
  const isLast = ({ place: { chain } }: Filling): number => (isChainOf('endpoint', chain) ? 0 : chain.startsWith('KUBE-SV') ? 1 : 2)
  return fillings.toSorted((left, right) => isLast(left) - isLast(right))
}

/** A step whose operations are all for one service; undefined: for all. */
function ownedStep(service: string | undefined, bytes: number, queue: (tx: Transaction) => void): Step {
  if (service === undefined) return { bytes, queue }
  const queueOwned = (tx: Transaction): Owners => {
    const first = tx.size
    queue(tx)
    return new Map(Array.from({ length: tx.size - first }, (_, index) => [first + index, [service]]))
  }
  return { bytes, queue: () => undefined, queueOwned }
}

/** Rules behind those that a chain has, in as many steps as messages need. */
function appendStep(service: string | undefined, place: Place, rules: readonly IptablesRule[], isReplaced: boolean): Step {
  const step = ownedStep(service, CHAIN_BYTES + rules.length * RULE_BYTES, (tx) => {
    if (isReplaced) tx.flush.chain({ family: place.family, table: place.table, name: place.chain })
    for (const rule of rules) tx.add.rule({ ...place, ...writeRule(rule, place) })
  })
  if (rules.length < 2) return step
  const middle = rules.length >> 1
  const halves = (): [Step, Step] => [
    appendStep(service, place, rules.slice(0, middle), isReplaced),
    appendStep(service, place, rules.slice(middle), false)
  ]
  return { ...step, halves }
}

function* frameSteps({ tables, bases, made }: Pick<Edits, 'tables' | 'bases' | 'made'>): Generator<Step> {
  const step = <T>(items: readonly T[], queue: (tx: Transaction, item: T) => void): Step => ({
    bytes: items.length * CHAIN_BYTES,
    queue: (tx) => {
      for (const item of items) queue(tx, item)
    }
  })
  yield step(tables, (tx, { family, table: name, isNew }) =>
    tx.add.table({ family, name, ...(isNew ? { comment: MADE_COMMENT } : { flags: [] }) })
  )
  yield step(bases, makeBase)
  yield step(made, makeChain)
}

function goneStep(gone: readonly Place[], verb: 'flush' | 'delete'): Step {
  return {
    bytes: gone.length * CHAIN_BYTES,
    queue: (tx) => {
      for (const { family, table, chain: name } of gone) tx[verb].chain({ family, table, name })
    }
  }
}

/** Steps of a service, with the last of which it is served. */
function* withAdvance(steps: Iterable<Step>): Generator<Step> {
  let last: Step | undefined
  for (const step of steps) {
    if (last !== undefined) yield last
    last = step
  }
  if (last !== undefined) yield { ...last, advance: 1 }
}

/** Puts edits into steps. */
export class Stepping {
  readonly #handles: SharedHandles
  readonly #edits: Edits
  readonly #isShared: (place: Place) => boolean
  readonly #isEchoed: boolean

  /** @param isShared Whether handles of rules in this chain are kept. */
  constructor(edits: Edits, handles: SharedHandles, isShared: (place: Place) => boolean) {
    this.#edits = edits
    this.#handles = handles
    this.#isShared = isShared
    const additions = [...edits.additions, ...edits.services.flatMap((service) => service.additions)]
    this.#isEchoed = ruleCount(additions.filter(({ place }) => isShared(place))) <= MAX_ECHOES
  }

  /** All steps, in their order: what is needed before what needs it, and what goes last. */
  *steps(): Generator<Step> {
    const { tables, bases, made, fillings, additions, services, removals, gone } = this.#edits
    yield* frameSteps({ tables, bases, made })
    yield* this.#writeSteps(undefined, fillings, additions)
    for (const service of services) yield* withAdvance(this.#writeSteps(service.service, service.fillings, service.additions))
    for (let from = 0; from < removals.length; from += REMOVALS) yield this.#removalStep(removals.slice(from, from + REMOVALS))
    // A chain to which rules lead cannot go.
    for (const verb of ['flush', 'delete'] as const)
      for (let from = 0; from < gone.length; from += REMOVALS) yield goneStep(gone.slice(from, from + REMOVALS), verb)
  }

  *#writeSteps(service: string | undefined, fillings: readonly Filling[], additions: readonly Addition[]): Generator<Step> {
    const made = fillings.filter(({ isNew }) => isNew)
    if (made.length > 0)
      yield ownedStep(service, made.length * CHAIN_BYTES, (tx) => {
        for (const { place } of made) makeChain(tx, place)
      })
    for (const { place, rules, isNew } of inOrder(fillings)) yield appendStep(service, place, rules, !isNew)
    for (const addition of additions) yield this.#additionStep(service, addition)
  }

  #additionStep(service: string | undefined, addition: Addition): Step {
    const { place, rules, at } = addition
    const added: Added[] = []
    const step = ownedStep(service, rules.length * RULE_BYTES, (tx) => {
      added.length = 0
      for (const rule of inTurn(addition)) {
        added.push({ place, rule, operation: tx.size })
        const written = { ...place, ...writeRule(rule, place) }
        if (at === 'begin') tx.insert.rule(written)
        else tx.add.rule(written)
      }
    })
    if (!this.#isShared(place)) return step
    return { ...step, echo: this.#isEchoed, done: (report) => this.#note(added, report) }
  }

  #removalStep(removals: readonly Removal[]): Step {
    return {
      bytes: 200 + removals.length * CHAIN_BYTES,
      queue: (tx) => {
        for (const { place, handle } of removals) tx.delete.rule({ ...place, handle })
      },
      done: () => {
        for (const { place, key, handle } of removals)
          if (key !== undefined && this.#isShared(place)) this.#handles.remove(place, key, handle)
      }
    }
  }

  /** Notes the handles that the kernel told. */
  #note(added: readonly Added[], { handles }: CommitReport): void {
    for (const { place, rule, operation } of added) {
      const handle = handles.get(operation)
      if (handle === undefined) this.#handles.forget(place)
      else this.#handles.add(place, keyOf(rule, place), handle)
    }
  }
}
