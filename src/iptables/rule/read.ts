/**
 * The expressions of a rule of nf_tables as a rule of iptables: what iptables-nft reads, be it written by iptables or by somebody else.
 */
import type {
  BitwiseExpression,
  Expression,
  ImmediateExpression,
  LimitExpression,
  LogExpression,
  MetaExpression,
  OpaqueExpression,
  PayloadExpression,
  Verdict
} from '../../nftables/expressions.js'
import type { IptablesFamily, OpaqueExtension } from '../types.js'
import { fromExpression } from './attributes.js'
import { NO_COUNTERS, type RuleForm } from './form.js'
import { readMeta, readNetworkHeader } from './read-head.js'
import { readRange, readTransportHeader } from './read-transport.js'
import { comparison, Reading, type Comparison } from './reading.js'
import { ForeignRule, Registers } from './registers.js'
import { ALL_BITS, limitLayout, longNflogLayout, markTargetLayout, nflogLayout, NFLOG_COPIES_LENGTH, wordLayout } from './structures.js'
import { LIMIT_SCALE } from './write-matches.js'

interface State {
  readonly reading: Reading
  readonly registers: Registers
}

function readVerdict({ verdict, chain = '' }: Verdict): RuleForm['target'] {
  const targets: Readonly<Record<string, RuleForm['target']>> = {
    accept: 'ACCEPT',
    drop: 'DROP',
    return: 'RETURN',
    queue: 'QUEUE',
    jump: { jump: chain },
    goto: { goto: chain }
  }
  const target = targets[verdict]
  if (target === undefined) throw new ForeignRule(`the verdict ${verdict}`)
  return target
}

function readImmediate({ reading, registers }: State, { destinationRegister, data }: ImmediateExpression): void {
  if (data instanceof Uint8Array) registers.put(destinationRegister, { kind: 'data', data })
  else reading.setTarget(readVerdict(data))
}

/** Targets that set what `meta` knows; undefined where there is none for a value. */
const SETTERS: Readonly<Record<string, ((data: Uint8Array) => OpaqueExtension | undefined) | undefined>> = {
  nftrace: ([value]) => (value === 1 ? { name: 'TRACE', revision: 0, info: new Uint8Array(0) } : undefined),
  // iptables-nft reads it since 1.8.10, and writes the structure.
  mark: (data) => {
    const mark = wordLayout.read(data)
    return mark && { name: 'MARK', revision: 2, info: markTargetLayout.write({ value: mark.value, mask: ALL_BITS }) }
  }
}

function loadMeta({ reading, registers }: State, { key, destinationRegister, sourceRegister }: MetaExpression): void {
  if (destinationRegister !== undefined) return registers.put(destinationRegister, { kind: 'meta', key })
  const loaded = sourceRegister === undefined ? undefined : registers.get(sourceRegister)
  const target = loaded?.kind === 'data' ? SETTERS[key]?.(loaded.data) : undefined
  if (target === undefined) throw new ForeignRule(`what sets meta ${key}`)
  reading.setTarget(target)
}

function loadPayload({ registers }: State, { base, offset, length, destinationRegister }: PayloadExpression): void {
  if (destinationRegister === undefined) throw new ForeignRule('what writes into the packet')
  registers.put(destinationRegister, { kind: 'payload', base, offset, length })
}

function readBitwise({ registers }: State, { sourceRegister, destinationRegister, op, mask, xor }: BitwiseExpression): void {
  const loaded = registers.get(sourceRegister)
  const isMask = (op ?? 'mask-xor') === 'mask-xor' && mask !== undefined && (xor ?? []).every((byte) => byte === 0)
  if (!isMask || loaded.kind === 'data' || loaded.mask !== undefined) throw new ForeignRule('arithmetic with bits')
  registers.put(destinationRegister, { ...loaded, mask })
}

function readComparison(reading: Reading, compared: Comparison): void {
  const { loaded } = compared
  if (loaded.kind === 'meta') return readMeta(reading, compared, loaded.key)
  if (loaded.kind === 'payload' && loaded.base === 'network') return readNetworkHeader(reading, compared, loaded.offset)
  if (loaded.kind === 'payload' && loaded.base === 'transport') return readTransportHeader(reading, compared, loaded.offset)
  throw new ForeignRule('a comparison of what iptables does not load')
}

function readLimit({ reading }: State, { rate, unitSeconds, burst = 0, mode = 'packets', flags = [] }: LimitExpression): void {
  if (mode !== 'packets' || flags.length > 0 || rate === 0n) throw new ForeignRule('a limit of bytes, or one that is inverted')
  const average = Number((BigInt(LIMIT_SCALE) * unitSeconds) / rate)
  reading.add({ name: 'limit', revision: 0, info: limitLayout.write({ average, burst }) })
}

function readLog({ reading }: State, { group, prefix = '', snapLength, queueThreshold = 0 }: LogExpression): void {
  if (group === undefined) throw new ForeignRule('a log without a group')
  const values = {
    group,
    prefix,
    threshold: queueThreshold,
    length: snapLength ?? 0,
    flags: snapLength === undefined ? 0 : NFLOG_COPIES_LENGTH
  }
  const layout = Buffer.byteLength(prefix) < 64 ? nflogLayout : longNflogLayout
  reading.setTarget({ name: 'NFLOG', revision: 0, info: layout.write(values) })
}

function readOpaque({ reading }: State, expression: OpaqueExpression): void {
  const found = expression.name === 'match' || expression.name === 'target' ? fromExpression(expression) : undefined
  if (found === undefined) throw new ForeignRule(`the expression ${expression.name}`)
  if (expression.name === 'match') reading.add(found)
  else reading.setTarget(found)
}

type Readers = { readonly [Type in Expression['type']]?: (state: State, expression: Extract<Expression, { readonly type: Type }>) => void }

const READERS: Readers = {
  immediate: readImmediate,
  meta: loadMeta,
  payload: loadPayload,
  bitwise: readBitwise,
  cmp: ({ reading, registers }, expression) => readComparison(reading, comparison(registers.get(expression.sourceRegister), expression)),
  range: ({ reading, registers }, expression) => readRange(reading, registers.get(expression.sourceRegister), expression),
  counter: ({ reading }, { packets = 0n, bytes = 0n }) => (reading.counters = { packets, bytes }),
  limit: readLimit,
  log: readLog,
  opaque: readOpaque
}

/** A rule that was read, or the reason for which it is none of iptables. */
export type ReadRule = { readonly form: RuleForm; readonly foreign?: undefined } | { readonly form?: undefined; readonly foreign: string }

/** Reads the expressions of a rule. */
export function readExpressions(expressions: readonly Expression[], family: IptablesFamily): ReadRule {
  const state: State = { reading: new Reading(family), registers: new Registers() }
  try {
    for (const expression of expressions) {
      const read = READERS[expression.type] as ((state: State, expression: Expression) => void) | undefined
      if (read === undefined) throw new ForeignRule(`the expression ${expression.type}`)
      read(state, expression)
    }
  } catch (error) {
    if (error instanceof ForeignRule) return { foreign: error.message }
    throw error
  }
  return { form: state.reading.finish() }
}

/** Counters of a rule that is none of iptables. */
export function countersOf(expressions: readonly Expression[]): RuleForm['counters'] {
  const found = expressions.find((expression) => expression.type === 'counter')
  return found === undefined ? NO_COUNTERS : { packets: found.packets ?? 0n, bytes: found.bytes ?? 0n }
}
