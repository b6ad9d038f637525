/**
 * Calls on a transaction that are repeated for rows.
 */
import { Buffer } from 'node:buffer'
import { ownColumns, rowAt, type AnyRow, type RepeatedColumns } from '../../nftables/repeat/columns.js'
import { Repetition } from '../../nftables/repeat/repetition.js'
import type { Piece } from '../../nftables/repeat/template.js'
import type { AttributeBuffer } from '../../nftables/wire/buffer.js'
import { EncodedExpressions } from '../../nftables/wire/encoded-expressions.js'
import type { OperationBytes } from '../../nftables/wire/operation.js'
import { WrittenRule } from '../rule/written.js'
import { baseChain } from '../tables.js'
import type { IptablesChainReference, Operation, QueuedRule, Step } from './operations.js'

/** Steps that are about a chain, and perhaps a rule of it. */
type ChainStep = Extract<Step, { readonly verb: 'append' | 'insert' | 'replace' | 'newChain' | 'deleteChain' }>

/** What a row makes: one step. Its bytes are the name of the chain, that of the chain which the rule goes on in, and the expressions of the rule. */
interface StepPiece extends Piece {
  readonly step: ChainStep
  readonly chainBytes: number
  readonly calledBytes: number
}

const NOTHING = new Uint8Array(0)

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

function paddedText(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  return Buffer.concat([bytes, NOTHING], (bytes.length + 3) & ~3)
}

function isChainStep(step: Step): step is ChainStep {
  return (step.verb !== 'flush' && 'rule' in step) || step.verb === 'newChain' || step.verb === 'deleteChain'
}

function ruleOf(step: ChainStep): QueuedRule | undefined {
  return 'rule' in step ? step.rule : undefined
}

/** Whether what a rule may ask for depends on the chain that it stands in: some base chains take no links. */
function dependsOnChain(rule: QueuedRule | undefined): boolean {
  return rule?.rule.inInterface !== undefined || rule?.rule.outInterface !== undefined
}

/** What is the same in all rows. */
function sameOf(step: ChainStep): string {
  const { verb, place } = step
  const { family, table, chain } = place
  const rule = ruleOf(step)
  const { compat, calledChain } = rule?.written ?? {}
  const position = 'position' in step ? step.position : undefined
  const named = dependsOnChain(rule) || baseChain(table, chain) !== undefined ? chain : chain.length
  return JSON.stringify([verb, family, table, named, position, compat, calledChain?.length])
}

/** @returns undefined where each row has to be asked for: sets are resolved by their names. */
function pieceOf({ step }: Pick<Operation, 'step'>): StepPiece | undefined {
  if (!isChainStep(step)) return undefined
  const rule = ruleOf(step)
  if (rule !== undefined && rule.setNames.length > 0) return undefined
  const chain = paddedText(step.place.chain)
  const called = paddedText(rule?.written.calledChain ?? '')
  const { bytes, from, to } = rule?.written.expressions ?? { bytes: NOTHING, from: 0, to: 0 }
  return {
    same: sameOf(step),
    bytes: Buffer.concat([chain, called, bytes.subarray(from, to)]),
    step,
    chainBytes: chain.length,
    calledBytes: called.length
  }
}

/** Makes steps of rows. */
class Steps {
  /** Of the step before: the steps of a row are about one chain, mostly. */
  #place: IptablesChainReference | undefined
  #bytes: Buffer = Buffer.alloc(0)

  /** A step of a row, whose bytes are these. */
  make({ step, chainBytes, calledBytes }: StepPiece, { bytes: held, from, to }: OperationBytes): Step {
    if (held.buffer !== this.#bytes.buffer) this.#bytes = asBuffer(held)
    const bytes = this.#bytes
    const place = this.#placeLike(step.place, bytes, from)
    const rule = ruleOf(step)
    if (rule === undefined) return { ...step, place }
    const { compat, calledChain } = rule.written
    const at = from + chainBytes
    const called = calledChain === undefined ? undefined : bytes.toString('latin1', at, at + calledChain.length)
    const written = new WrittenRule(new EncodedExpressions(bytes, at + calledBytes, to), compat, called)
    const made: QueuedRule = { rule: rule.rule, written, setNames: rule.setNames }
    return 'position' in step ? { verb: step.verb, place, rule: made, position: step.position } : { verb: 'append', place, rule: made }
  }

  #placeLike({ family, table, chain: like }: IptablesChainReference, bytes: Buffer, from: number): IptablesChainReference {
    const chain = bytes.toString('latin1', from, from + like.length)
    const last = this.#place
    if (last?.chain === chain && last.table === table && last.family === family) return last
    return (this.#place = { family, table, chain })
  }
}

/** The transaction that rows are called on. */
export interface RowCalls {
  readonly out: AttributeBuffer
  /** Lets the caller's function do a row. */
  run(row: AnyRow): void
  /** What it does for a row, in a transaction of its own. */
  record(row: AnyRow): readonly Operation[]
  /** Takes a step. @param origin Which one of which row it is. */
  add(step: Step, origin: RowOrigin): void
}

/** A step of a row. */
export interface RowOrigin {
  readonly row: number
  readonly step: number
  /** The caller's own object of a step of a row. */
  readonly objectOf: (row: number, step: number) => unknown
}

/** Names of base chains mean something by themselves. */
const RESERVED = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'])

/** Calls what a function calls for each row. @throws {ValidationError} The columns are malformed, or what it calls for a row. */
export function callRows(calls: RowCalls, rows: number, given: RepeatedColumns): void {
  const columns = ownColumns(rows, given)
  const objectOf = (row: number, step: number): unknown => calls.record(rowAt(columns, row))[step]!.object
  const steps = new Steps()
  new Repetition<StepPiece>(columns, {
    run: (row) => calls.run(row),
    make: (row) => {
      const pieces = calls.record(row).map(pieceOf)
      return pieces.every((piece) => piece !== undefined) ? pieces : undefined
    },
    isReserved: (text) => RESERVED.has(text),
    take: (piece, bytes, row, step) => calls.add(steps.make(piece, bytes), { row, step, objectOf })
  }).run(rows, calls.out)
}
