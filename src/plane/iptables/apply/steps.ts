/**
 * Edits as operations of nf_tables.
 */
import type { IptablesRule } from '../../../iptables/index.js'
import { baseChain } from '../../../iptables/tables.js'
import type { CommitReport, Transaction } from '../../../nftables/index.js'
import type { EncodedRule } from '../../../nftables/objects.js'
import type { Owners, Step } from '../../../nftables/steps.js'
import { queueEncoded } from '../../../nftables/transaction-types.js'
import { AttributeBuffer } from '../../../nftables/wire/buffer.js'
import type { Addition, Edits, Filling, Removal, ServiceEdits } from '../edits.js'
import { isChainOf } from '../layout/names.js'
import { encodeRule, keyOf, type Place } from '../rules.js'
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

/** Rules of some parts together. */
export const ruleCount = (parts: readonly { readonly rules: readonly IptablesRule[] }[]): number =>
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
function appendStep(service: string | undefined, place: Place, rules: readonly EncodedRule[], isReplaced: boolean): Step {
  const step = ownedStep(service, CHAIN_BYTES + rules.length * RULE_BYTES, (tx) => {
    if (isReplaced) tx.flush.chain({ family: place.family, table: place.table, name: place.chain })
    for (const rule of rules) tx[queueEncoded]('add', rule)
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

function* goneSteps(gone: readonly Place[], verb: 'flush' | 'delete'): Generator<Step> {
  for (let from = 0; from < gone.length; from += REMOVALS) yield goneStep(gone.slice(from, from + REMOVALS), verb)
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
  readonly #isShared: (place: Place) => boolean
  readonly #out = new AttributeBuffer()

  /** @param isShared Whether handles of rules in this chain are kept. */
  constructor(handles: SharedHandles, isShared: (place: Place) => boolean) {
    this.#handles = handles
    this.#isShared = isShared
  }

  /** All steps, in their order: what is needed before what needs it, and what goes last. */
  *steps({ tables, bases, made, fillings, additions, services, removals, gone, emptied }: Edits): Generator<Step> {
    const all = [...additions, ...services.flatMap((service) => service.additions)]
    const isEchoed = ruleCount(all.filter(({ place }) => this.#isShared(place))) <= MAX_ECHOES
    yield* frameSteps({ tables, bases, made })
    yield* this.#writeSteps({ service: undefined, fillings, additions }, isEchoed)
    for (const service of services) yield* this.serviceSteps(service, isEchoed)
    for (let from = 0; from < removals.length; from += REMOVALS) yield this.#removalStep(removals.slice(from, from + REMOVALS))
    // A chain to which rules lead cannot go.
    yield* goneSteps([...gone, ...emptied], 'flush')
    yield* goneSteps(gone, 'delete')
  }

  /** Steps of one service. @param isEchoed Whether the kernel is to say the handles of rules in chains that services share. */
  serviceSteps(edits: ServiceEdits, isEchoed: boolean): Iterable<Step> {
    return withAdvance(this.#writeSteps(edits, isEchoed))
  }

  *#writeSteps(
    { service, fillings, additions }: Omit<ServiceEdits, 'service'> & { readonly service: string | undefined },
    isEchoed: boolean
  ): Generator<Step> {
    const made = fillings.filter(({ isNew }) => isNew)
    if (made.length > 0)
      yield ownedStep(service, made.length * CHAIN_BYTES, (tx) => {
        for (const { place } of made) makeChain(tx, place)
      })
    for (const { place, rules, isNew } of inOrder(fillings)) yield appendStep(service, place, this.#encoded(place, rules), !isNew)
    for (const addition of additions) yield this.#additionStep(service, addition, isEchoed)
  }

  #additionStep(service: string | undefined, addition: Addition, isEchoed: boolean): Step {
    const { place, at } = addition
    const rules = inTurn(addition)
    const encoded = this.#encoded(place, rules)
    let first = 0
    const step = ownedStep(service, rules.length * RULE_BYTES, (tx) => {
      first = tx.size
      for (const rule of encoded) tx[queueEncoded](at === 'begin' ? 'insert' : 'add', rule)
    })
    if (!this.#isShared(place)) return step
    // Where the kernel is not asked, it is not known any more which handles the chain has.
    if (!isEchoed) this.#handles.forget(place)
    return isEchoed ? { ...step, echo: true, done: (report) => this.#note(place, rules, first, report) } : step
  }

  /** As they are sent: what is not sent at once takes less memory then. */
  #encoded(place: Place, rules: readonly IptablesRule[]): readonly EncodedRule[] {
    return rules.map((rule) => encodeRule(rule, place, this.#out))
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
  #note(place: Place, rules: readonly IptablesRule[], first: number, { handles }: CommitReport): void {
    for (const [index, rule] of rules.entries()) {
      const handle = handles.get(first + index)
      if (handle === undefined) this.#handles.forget(place)
      else this.#handles.add(place, keyOf(rule, place), handle)
    }
  }
}
