/**
 * What was called on a transaction.
 */
import { describePlace, type Operation, type Step } from './operations.js'
import type { RowOrigin } from './repeat.js'

/** A call, or a part of one. */
export interface AnyCall extends Operation {
  /** The same call with another step. */
  with(step: Step): Operation
}

/** One call. */
export class Call implements AnyCall {
  readonly step: Step
  readonly index: number
  readonly object: unknown
  /** Of a file. */
  readonly line: number | undefined

  constructor({ step, index, object, line }: Pick<Call, 'step' | 'index' | 'object' | 'line'>) {
    this.step = step
    this.index = index
    this.object = object
    this.line = line
  }

  with(step: Step): Call {
    const { index, object, line } = this
    return new Call({ step, index, object, line })
  }

  /** Put together when it is asked for: few are. */
  get subject(): string {
    const { step, line } = this
    return `${WORDS[step.verb]} ${describePlace(step.place)}${line === undefined ? '' : `, line ${line}`}`
  }
}

/** A step of a row of a call that is repeated. */
export class RowCall implements AnyCall {
  readonly step: Step
  readonly index: number
  readonly #origin: RowOrigin

  constructor(step: Step, index: number, origin: RowOrigin) {
    this.step = step
    this.index = index
    this.#origin = origin
  }

  get object(): unknown {
    const { row, step, objectOf } = this.#origin
    return objectOf(row, step)
  }

  with(step: Step): RowCall {
    return new RowCall(step, this.index, this.#origin)
  }

  get subject(): string {
    const { step } = this
    return `${WORDS[step.verb]} ${describePlace(step.place)}, row ${this.#origin.row}`
  }
}

const WORDS: Readonly<Record<Step['verb'], string>> = {
  append: 'append to',
  insert: 'insert into',
  replace: 'replace a rule of',
  delete: 'delete a rule of',
  flush: 'flush',
  zero: 'zero',
  newChain: 'make',
  deleteChain: 'delete',
  deleteChains: 'delete the chains of',
  renameChain: 'rename',
  policy: 'set the policy of',
  clear: 'clear'
}
