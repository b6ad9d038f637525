/**
 * The fields of what callers declare. One that does not exist is refused: misspelt, it would be a setting that silently does nothing.
 */
import { ValidationError } from '../core/errors.js'

const COMMON = ['family', 'table', 'name', 'comment', 'userdata', 'opaque', 'handle', 'use'] as const

/** Fields by kind, those that only listings have included: what is listed can be written again. */
const FIELDS = {
  table: [...COMMON, 'flags', 'owner'],
  chain: [...COMMON, 'type', 'hook', 'priority', 'policy', 'devices', 'flags', 'counters'],
  rule: ['family', 'table', 'chain', 'expressions', 'statements', 'handle', 'after', 'before', 'compat', 'comment', 'userdata', 'opaque'],
  set: [...COMMON, 'key', 'data', 'flags', 'timeoutMs', 'gcIntervalMs', 'size', 'policy', 'expressions', 'typeof', 'id', 'count', 'raw'],
  counter: [...COMMON, 'packets', 'bytes'],
  object: [...COMMON, 'objectType', 'data'],
  flowtable: [...COMMON, 'priority', 'devices', 'flags']
} as const

/** A kind of object that callers declare. */
export type DeclaredKind = keyof typeof FIELDS

/** Refuses fields that the kind does not have. @throws {ValidationError} */
export function checkFields(kind: DeclaredKind, object: object): void {
  const known: readonly string[] = FIELDS[kind]
  for (const field in object) {
    const value = (object as Readonly<Record<string, unknown>>)[field]
    if (value !== undefined && !known.includes(field))
      throw new ValidationError(field, value, `no such field; there are ${known.join(', ')}`)
  }
}

/** Whether a value can have fields at all. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Refuses what is no text. @throws {ValidationError} */
export function requireText(path: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'string') throw new ValidationError(path, value, 'a text')
}

/** What is wrong with the fields that name an object, which errors about it show; nothing where they can be shown. */
export function findMisnamed(place: string, object: unknown): ValidationError | undefined {
  if (!isObject(object)) return new ValidationError(place, object, 'an object')
  // Each by its name: a loop over the names takes several times as long, and this is asked for every object.
  const { family, table, name, chain, comment, handle } = object as Readonly<Record<string, unknown>>
  if (isTextOrAbsent(family) && isTextOrAbsent(table) && isTextOrAbsent(name) && isTextOrAbsent(chain) && isTextOrAbsent(comment))
    return handle === undefined || typeof handle === 'bigint'
      ? undefined
      : new ValidationError(`${place}.handle`, handle, 'a bigint, as listed')
  const [field, value] = Object.entries({ family, table, name, chain, comment }).find(([, each]) => !isTextOrAbsent(each))!
  return new ValidationError(`${place}.${field}`, value, 'a text')
}

const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'string'
