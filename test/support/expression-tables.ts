/**
 * What the native tables say of expressions, and what a listing uses of it.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Ruleset } from '../../src/nftables/listing.js'

const folder = path.resolve(import.meta.dirname, '../../native/nftables')

function read(file: string): string {
  return readFileSync(path.join(folder, file), 'utf8')
}

/** The names of a table of numbers, by the table's name. */
function namesByTable(): Map<string, string[]> {
  const tables = read('expression_names.h').matchAll(/constexpr NamedNumber (\w+)\[\] = \{(.*?)\};/gs)
  return new Map([...tables].map(([, table, body]) => [table!, [...body!.matchAll(/\{"([^"]+)",/g)].map(([, name]) => name!)]))
}

/** Everything that a rule can say by name: `meta`, `meta.key=mark`, `cmp.op=lt`. */
export function knownNames(): string[] {
  const schema = read('schema_expression.cc')
  const names = namesByTable()
  const fields = new Map(
    [...schema.matchAll(/constexpr Field (\w+)\[\] = \{(.*?)\n\};/gs)].map(([, table, body]) => [
      table!,
      [...body!.matchAll(/Named\(NETPLANE_ATTRIBUTE\(\w+\), "(\w+)", [\w:]+, (\w+)/g)].map(
        ([, field, numbers]) => [field!, numbers!] as const
      )
    ])
  )
  const expressions = [...schema.matchAll(/\{"([\w-]+)", (?:(k\w+)|\{\})\},/g)]
  return expressions.flatMap(([, name, table]) => [
    name!,
    ...(fields.get(table ?? '') ?? []).flatMap(([field, numbers]) => names.get(numbers)!.map((each) => `${name!}.${field}=${each}`))
  ])
}

interface Loose {
  readonly type?: string
  readonly name?: string
  readonly [field: string]: unknown
}

function namesOf(expression: Loose): string[] {
  const { type = '', ...fields } = expression
  const own = Object.entries(fields).flatMap(([field, value]) =>
    (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap((each) =>
      typeof each === 'string' ? [`${type}.${field}=${each}`] : []
    )
  )
  const inner = [fields['expression'], ...((fields['expressions'] ?? []) as unknown[])].filter((each) => each !== undefined)
  return [type === 'opaque' ? fields.name! : type, ...own, ...inner.flatMap((each) => namesOf(each as Loose))]
}

/** What a listing says by name, in the form of {@link knownNames}; expressions without a table by their name alone. */
export function usedNames({ rules, sets }: Pick<Ruleset, 'rules' | 'sets'>): Set<string> {
  const expressions = [...rules.flatMap((rule) => rule.expressions), ...sets.flatMap((set) => set.expressions ?? [])]
  return new Set(expressions.flatMap((expression) => namesOf(expression as unknown as Loose)))
}
