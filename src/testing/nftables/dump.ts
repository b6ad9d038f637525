/**
 * What a fake nf_tables holds, as text.
 */
import { Buffer } from 'node:buffer'
import { asNative } from '../../core/columns.js'
import { describeField, isRange, type KeyField } from '../../nftables/bounds.js'
import { toColumns, fromNative } from '../../nftables/columns.js'
import { decodeElements, type SetElement } from '../../nftables/elements.js'
import { fromNativeSet } from '../../nftables/listed-sets.js'
import {
  fromNativeChain,
  fromNativeCounter,
  fromNativeFlowtable,
  fromNativeObject,
  fromNativeRule,
  fromNativeTable,
  isNativeCounter
} from '../../nftables/objects.js'
import { setForm } from '../../nftables/sets.js'
import { describeChain, describeObject, describeRule, describeSet, describeTable } from './listing.js'
import { liveElements, type FakeChain, type FakeSet, type FakeState, type FakeTable } from './state.js'

/** A value in a line: bytes in hexadecimal, numbers and words as they are, text of several words in quotation marks. */
function valueText(value: unknown): string {
  if (typeof value === 'string') return /\s/.test(value) ? JSON.stringify(value) : value
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map(valueText).join(',')
  if (typeof value !== 'object' || value === null) return String(value)
  return `{${fieldsText(value)}}`
}

/** What is there, by its name. */
function fieldsText(fields: object): string {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
  return present.map(([name, value]) => `${name}=${valueText(value)}`).join(' ')
}

function line(indent: number, ...words: readonly string[]): string {
  return ' '.repeat(indent) + words.filter((word) => word !== '').join(' ')
}

function keyText(key: KeyField | readonly KeyField[]): string {
  const fields = Array.isArray(key) && !isRange(key) ? (key as readonly KeyField[]) : [key as KeyField]
  return fields.map((field) => (field instanceof Uint8Array ? valueText(field) : describeField(field))).join(' . ')
}

/** Without what its time leaves of it, and what it has counted. */
function elementText({ key, data, verdict, chain, object, timeoutMs, comment }: SetElement): string {
  const value = data === undefined ? [verdict, chain, object].filter((word) => word !== undefined).join(' ') : keyText(data)
  return line(
    4,
    keyText(key),
    value === '' ? '' : `: ${value}`,
    fieldsText({ timeoutMs: timeoutMs === 0 ? undefined : timeoutMs, comment })
  )
}

function setLines(table: FakeTable, set: FakeSet): string[] {
  const listed = fromNativeSet({ family: table.family, value: describeSet(table, set) })
  const { name, key, data, flags, timeoutMs, size, comment } = listed
  const rows = Array.from(liveElements(set, performance.now()), ({ row }) => row)
  const elements = rows.length === 0 ? [] : [...decodeElements([fromNative(asNative(toColumns(rows)))], setForm(listed))].map(elementText)
  const word = data === undefined ? 'set' : 'map'
  return [
    line(2, word, name, fieldsText({ key, data, flags, timeoutMs: timeoutMs === 0 ? undefined : timeoutMs, size, comment })),
    ...elements.sort()
  ]
}

function chainLines(table: FakeTable, chain: FakeChain): string[] {
  const { family } = table
  const { name, type, hook, priority, policy, devices, comment } = fromNativeChain({ family, value: describeChain(table, chain, 0) })
  const rules = chain.rules.map((rule) => {
    const { expressions, comment } = fromNativeRule({ family, value: describeRule(table, chain, rule) })
    return line(4, expressions.map(({ type, ...fields }) => line(0, type, fieldsText(fields))).join('; '), fieldsText({ comment }))
  })
  return [line(2, 'chain', name, fieldsText({ type, hook, priority, policy, devices, comment })), ...rules]
}

function objectLines(table: FakeTable): string[] {
  const { family } = table
  const objects = [...table.objects.values()].map((object) => {
    const native = { family, value: describeObject(table, object, 0) }
    if (isNativeCounter(native)) return line(2, 'counter', object.name, fieldsText({ comment: fromNativeCounter(native).comment }))
    const { objectType, data, comment } = fromNativeObject(native)
    return line(2, String(objectType), object.name, fieldsText({ data, comment }))
  })
  const flowtables = [...table.flowtables.values()].map((object) => {
    const { name, priority, devices, flags } = fromNativeFlowtable({ family, value: describeObject(table, object, 0) })
    return line(2, 'flowtable', name, fieldsText({ priority, devices, flags }))
  })
  return [...objects, ...flowtables].sort()
}

const byName = <T extends { readonly name: string }>(things: ReadonlyMap<string, T>): T[] =>
  [...things.values()].sort((left, right) => (left.name < right.name ? -1 : 1))

function tableText(table: FakeTable): string {
  const { flags, comment } = fromNativeTable({ family: table.family, value: describeTable(table) })
  const head = line(0, 'table', table.family, table.name, fieldsText({ flags, comment }))
  const sets = byName(table.sets).flatMap((set) => setLines(table, set))
  const chains = byName(table.chains).flatMap((chain) => chainLines(table, chain))
  return [head, ...objectLines(table), ...sets, ...chains].join('\n')
}

/** Tables in the order of their names, and in each its objects, sets with their elements, and chains with their rules, which keep their order. */
export function dumpTables(state: FakeState): string {
  return [...state.values()].map(tableText).sort().join('\n')
}
