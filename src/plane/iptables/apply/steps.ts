/**
 * Edits as operations of nf_tables.
 */
import type { IptablesRule } from '../../../iptables/index.js'
import { baseChain } from '../../../iptables/tables.js'
import type { CommitReport, Transaction } from '../../../nftables/index.js'
import type { Owners, Step } from '../../../nftables/steps.js'
import type { Addition, Edits, Filling, Removal, ServiceEdits } from '../edits.js'
import { keyOf, writeRule, type Place } from '../rules.js'
import type { SharedHandles } from './handles.js'

/** What tables and base chains that we made are called by, so that they can go again where nobody else uses them. */
export const MADE_COMMENT = 'made by netplane'

/** Bytes of one rule in a message, about. */
const RULE_BYTES = 600
const CHAIN_BYTES = 120
/** Operations of one step that could as well be several. */
const REMOVALS = 256

/** Rules in chains that services share whose handles the kernel is asked for: of more, the chain is listed when one of them is to go. */
const MAX_ECHOES = 256

function makeChain(tx: Transaction, { family, table, chain: name }: Place): void {
  tx.add.chain({ family, table, name })
}

function makeBase(tx: Transaction, { family, table, chain }: Place): void {
  const { name, type, hook, priority } = baseChain(table, chain)!
  tx.add.chain({ family, table, name, type, hook, priority, policy: 'accept', comment: MADE_COMMENT })
}

function fill(tx: Transaction, fillings: readonly Filling[]): void {
  for (const { place, isNew } of fillings) if (isNew) makeChain(tx, place)
  for (const { place, isNew } of fillings) if (!isNew) tx.flush.chain({ family: place.family, table: place.table, name: place.chain })
  for (const { place, rules } of fillings) for (const rule of rules) tx.add.rule({ ...place, ...writeRule(rule, place) })
}

/** Where the rules of an addition come, in the order in which they are put there: each at the very begin, so that the first comes last. */
const inTurn = ({ rules, at }: Addition): readonly IptablesRule[] => (at === 'begin' ? rules.toReversed() : rules)

/** What was added: where, and by which operation. */
interface Added {
  readonly place: Place
  readonly rule: IptablesRule
  readonly operation: number
}

function add(tx: Transaction, additions: readonly Addition[], into: Added[]): void {
  for (const addition of additions) {
    const { place, at } = addition
    for (const rule of inTurn(addition)) {
      into.push({ place, rule, operation: tx.size })
      const written = { ...place, ...writeRule(rule, place) }
      if (at === 'begin') tx.insert.rule(written)
      else tx.add.rule(written)
    }
  }
}

const ruleCount = (parts: readonly { readonly rules: readonly IptablesRule[] }[]): number =>
  parts.reduce((sum, { rules }) => sum + rules.length, 0)

const bytesOf = (fillings: readonly Filling[], additions: readonly Addition[]): number =>
  200 + fillings.length * CHAIN_BYTES + (ruleCount(fillings) + ruleCount(additions)) * RULE_BYTES

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
    if (tables.length + bases.length + made.length + fillings.length + additions.length > 0) yield this.#frameStep()
    for (const service of services) yield this.#serviceStep(service)
    for (let from = 0; from < removals.length; from += REMOVALS) yield this.#removalStep(removals.slice(from, from + REMOVALS))
    // A chain to which rules lead cannot go.
    for (let from = 0; from < gone.length; from += REMOVALS) yield this.#goneStep(gone.slice(from, from + REMOVALS), 'flush')
    for (let from = 0; from < gone.length; from += REMOVALS) yield this.#goneStep(gone.slice(from, from + REMOVALS), 'delete')
  }

  #frameStep(): Step {
    const { tables, bases, made, fillings, additions } = this.#edits
    const added: Added[] = []
    return {
      bytes: bytesOf(fillings, additions) + (bases.length + made.length) * CHAIN_BYTES,
      echo: this.#mustEcho(additions),
      queue: (tx) => {
        added.length = 0
        for (const { family, table: name, isNew } of tables)
          tx.add.table({ family, name, ...(isNew ? { comment: MADE_COMMENT } : { flags: [] }) })
        for (const place of bases) makeBase(tx, place)
        for (const place of made) makeChain(tx, place)
        fill(tx, fillings)
        add(tx, additions, added)
      },
      done: (report) => this.#note(added, report)
    }
  }

  #serviceStep({ service, fillings, additions }: ServiceEdits): Step {
    const added: Added[] = []
    return {
      bytes: bytesOf(fillings, additions),
      echo: this.#mustEcho(additions),
      queue: () => undefined,
      queueOwned: (tx): Owners => {
        added.length = 0
        const first = tx.size
        fill(tx, fillings)
        add(tx, additions, added)
        return new Map(Array.from({ length: tx.size - first }, (_, index) => [first + index, [service]]))
      },
      done: (report) => this.#note(added, report)
    }
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

  #goneStep(gone: readonly Place[], verb: 'flush' | 'delete'): Step {
    return {
      bytes: 200 + gone.length * CHAIN_BYTES,
      queue: (tx) => {
        for (const { family, table, chain: name } of gone) tx[verb].chain({ family, table, name })
      }
    }
  }

  #mustEcho(additions: readonly Addition[]): boolean {
    return this.#isEchoed && additions.some(({ place }) => this.#isShared(place))
  }

  /** Notes the handles that the kernel told. */
  #note(added: readonly Added[], { handles }: CommitReport): void {
    for (const { place, rule, operation } of added) {
      if (!this.#isShared(place)) continue
      const handle = handles.get(operation)
      if (handle === undefined) this.#handles.forget(place)
      else this.#handles.add(place, keyOf(rule, place), handle)
    }
  }
}
