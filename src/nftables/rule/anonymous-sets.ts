/**
 * Sets that a rule brings along, `{ 80, 443 }`: declared in the same transaction, bound to the rule and gone with it.
 */
import { ValidationError } from '../../core/errors.js'
import type { NativeRecord } from '../../native/index.js'
import { CATCHALL, type ElementColumns, type ElementRow, INTERVAL_END, isEnd, toColumns } from '../columns.js'
import { concatenatedId, dataType, keyLength, type DataType, type DataTypeName } from '../datatypes.js'
import { encodeElements, type SetElement } from '../elements.js'
import type { Family } from '../families.js'
import { intervalKind, setForm, type SetForm, type SetSpec } from '../sets.js'
import { typesOf, type SetUse, type ValueNode } from './nodes.js'
import { ownSetUserdata } from './typeof.js'
import { shiftedField } from './values.js'

/** A set to be declared before the rule that it belongs to. */
export interface AnonymousSet {
  /** The kernel puts a number for `%d` in its name; the rule refers to it by `id`. */
  readonly set: SetSpec & { readonly id: number; readonly raw?: NativeRecord }
  readonly elements: ElementColumns
}

/** How an expression names a set, and what look-ups in it need. */
export interface ResolvedSet {
  readonly reference: { readonly set: string; readonly setId?: number }
  readonly isInterval: boolean
}

function isIntervalField(field: unknown, type: DataType): boolean {
  if (typeof field === 'object' && field !== null && 'from' in field) return true
  if (typeof field !== 'string') return false
  return type.name === 'ifname' ? field.endsWith('*') : (type.name === 'ipv4_addr' || type.name === 'ipv6_addr') && field.includes('/')
}

function isInterval({ key }: SetElement, types: readonly DataType[]): boolean {
  if (key === '*') return false
  const fields: readonly unknown[] = Array.isArray(key) ? key : [key]
  return fields.some((field, index) => types[index] !== undefined && isIntervalField(field, types[index]))
}

/** Where a range begins as another ends, the end is left out; of sets, which have nothing to tell the two apart, the beginning too. */
function joinAdjacent(rows: readonly ElementRow[], isMap: boolean): readonly ElementRow[] {
  const touches = (left: ElementRow | undefined, right: ElementRow | undefined): boolean =>
    left !== undefined && right !== undefined && isEnd(left) && !isEnd(right) && left.key.every((byte, index) => byte === right.key[index])
  return rows.filter((row, index) => !touches(row, rows[index + 1]) && (isMap || !touches(rows[index - 1], row)))
}

/** The rows of ranges as nft has them: with an end at 0 before all, unless something begins there. */
function intervalRows(rows: readonly ElementRow[], form: SetForm): readonly ElementRow[] {
  const joined = joinAdjacent(rows, form.holds !== 'nothing')
  const first = joined.find(({ flags }) => (flags & CATCHALL) === 0)
  if (first?.key.every((byte) => byte === 0) !== false) return joined
  return [{ key: new Uint8Array(keyLength(form.key)), flags: INTERVAL_END, timeoutMs: 0, expirationMs: 0 }, ...joined]
}

/** The kernel would take the first of two elements with one key, and say nothing. */
function checkDistinct(rows: readonly ElementRow[], form: SetForm): void {
  const seen = new Set<string>()
  const isPlain = intervalKind(form) === 'plain'
  let depth = 0
  for (const { key, keyEnd, flags } of rows) {
    const identity = `${flags} ${Array.from(key, String).join('.')} ${keyEnd === undefined ? '' : Array.from(keyEnd, String).join('.')}`
    if ((flags & CATCHALL) === 0) depth += (flags & INTERVAL_END) !== 0 ? -1 : 1
    const overlaps = isPlain && depth > 1
    if (seen.has(identity) || overlaps)
      throw new ValidationError('elements', `${rows.length} rows`, 'elements that differ and do not overlap')
    seen.add(identity)
  }
}

function shiftKey({ key }: SetElement, node: ValueNode, index: number): SetElement['key'] {
  if (key === '*') return key
  const nodes = node.kind === 'concatenation' ? node.fields : [node]
  const fields: readonly unknown[] = node.kind === 'concatenation' && Array.isArray(key) ? key : [key]
  const shifted = fields.map((field, at) => (nodes[at] === undefined ? field : shiftedField(`elements[${index}].key`, field, nodes[at])))
  return (node.kind === 'concatenation' ? shifted : shifted[0]) as SetElement['key']
}

/** What nft declares as size: it counts the end of a range that has none, too. */
function sizeOf(rows: readonly ElementRow[]): number {
  const hasIntervals = rows.some(isEnd)
  if (!hasIntervals) return rows.length
  const starts = rows.filter((row) => row.flags === 0).length
  const others = rows.filter((row) => (row.flags & CATCHALL) !== 0).length
  return 2 * starts + others + (isEnd(rows[0]!) ? 1 : 0)
}

/**
 * Fields that do not fill their bytes lie shifted in registers. The keys of a rule's own set are shifted alike, where they are as long; those of other sets are not.
 */
function checkBitFields(node: ValueNode, use: SetUse): void {
  for (const field of node.kind === 'concatenation' ? node.fields : [node]) {
    if (field.kind !== 'payload' || field.bits === undefined) continue
    if (use.kind === 'named') throw new ValidationError('value', `bits of ${field.header}`, 'a field of whole bytes')
    // nft shifts such fields in registers, which the kernel does in words of the machine's order: of more than one byte nothing would match.
    if (node.kind === 'concatenation')
      throw new ValidationError('value', `bits of ${field.header}`, 'a field of whole bytes, in a concatenation')
  }
}

/** The name of a type as wide as a field that does not fill its bytes has it. */
function keyNames(types: readonly DataType[]): readonly DataTypeName[] {
  return types.map(({ name, length }): DataTypeName => (dataType('type', name).length === length ? name : `integer${length * 8}`))
}

/** The sets of one rule. */
export class RuleSets {
  readonly anonymous: AnonymousSet[] = []
  readonly #family: Family
  readonly #table: string
  readonly #nextId: () => number

  constructor(family: Family, table: string, nextId: () => number) {
    this.#family = family
    this.#table = table
    this.#nextId = nextId
  }

  /** How to refer to a set; an anonymous one is declared. @throws {ValidationError} */
  resolve(use: SetUse, key: ValueNode, data?: readonly DataType[]): ResolvedSet {
    checkBitFields(key, use)
    if (use.kind === 'named')
      return { reference: { set: use.name, ...(use.id === undefined ? {} : { setId: use.id }) }, isInterval: use.isInterval }
    const names = data?.map(({ name }) => name)
    return this.#declare(use.elements, key, names === undefined ? use.data : names.length === 1 ? names[0] : names)
  }

  #declare(given: readonly SetElement[], node: ValueNode, data: SetSpec['data']): ResolvedSet {
    if (given.length === 0) throw new ValidationError('elements', given, 'at least one element')
    const types = typesOf(node)
    const interval = given.some((element) => isInterval(element, types))
    const flags: SetSpec['flags'] = interval ? ['anonymous', 'constant', 'interval'] : ['anonymous', 'constant']
    const names = keyNames(types)
    const declaration = { key: names.length === 1 ? names[0]! : names, data, flags }
    const form = setForm(declaration)
    const elements = given.map((element, index) => ({ ...element, key: shiftKey(element, node, index) }))
    const encoded = encodeElements(elements, form).rows
    checkDistinct(encoded, form)
    const rows = intervalKind(form) === 'plain' ? intervalRows(encoded, form) : encoded
    const name = data === undefined ? '__set%d' : form.holds === 'objects' ? '__objmap%d' : '__map%d'
    const isWider = names.some((of, index) => of !== types[index]!.name)
    const set = {
      family: this.#family,
      table: this.#table,
      name,
      ...declaration,
      size: sizeOf(rows),
      userdata: ownSetUserdata(node, form),
      // The identifier of the type, with the width of the field.
      ...(isWider ? { raw: { table: this.#table, name, keyType: concatenatedId(types), keyLength: keyLength(form.key) } } : {}),
      id: this.#nextId()
    }
    this.anonymous.push({ set, elements: toColumns(rows) })
    return { reference: { set: name, setId: set.id }, isInterval: interval }
  }
}
