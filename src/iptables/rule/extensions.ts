/**
 * Matches and targets in the caller's words, to and from the structures of xtables.
 */
import { isText } from '../../core/checks.js'
import { locate, ValidationError } from '../../core/errors.js'
import type { ExtensionContext } from '../extensions/extension.js'
import { padded } from '../extensions/layout.js'
import { extensionOfWord, extensionsNamed, wordOf, type AnyExtension, type ExtensionKind } from '../extensions/registry.js'
import type { OpaqueExtension } from '../types.js'
import { protocolText } from '../protocols.js'

/** XT_EXTENSION_MAXNAMELEN of include/uapi/linux/netfilter/x_tables.h, without the NUL: also chains that rules jump to have no longer names. */
export const MAX_NAME_BYTES = 28

/** A match or target as a caller gives it. */
export type GivenExtension = { readonly opaque?: unknown } & Readonly<Record<string, unknown>>

/** Refuses a match or target where the kernel would. @throws {ValidationError} */
export function requirePlace(path: string, known: AnyExtension, { table, protocol }: ExtensionContext): void {
  if (table !== undefined && known.tables?.includes(table) === false)
    throw new ValidationError(path, known.name, `${known.name} in table ${known.tables.join(' or ')} only, not in ${table}`)
  if (known.protocols !== undefined && (protocol === undefined || !known.protocols.includes(protocol)))
    throw new ValidationError(path, known.name, `${known.name} with protocol ${known.protocols.map(protocolText).join(' or ')} only`)
}

function requireOpaque(path: string, value: unknown, name: string): OpaqueExtension {
  const given = value as Partial<OpaqueExtension> | null
  if (typeof given !== 'object' || given === null) throw new ValidationError(path, value, '{ name, revision, info }')
  const { revision, info } = given
  if (given.name !== name) throw new ValidationError(`${path}.name`, given.name, name)
  if (!isText(name, MAX_NAME_BYTES) || name === '') throw new ValidationError(`${path}.name`, name, `1 to ${MAX_NAME_BYTES} bytes`)
  if (typeof revision !== 'number' || !Number.isInteger(revision) || revision < 0 || revision > 255)
    throw new ValidationError(`${path}.revision`, revision, 'an integer from 0 to 255')
  if (!(info instanceof Uint8Array)) throw new ValidationError(`${path}.info`, info, 'a Uint8Array')
  return { name, revision, info: info.slice() }
}

/**
 * The structure of a match or target, of its newest revision.
 *
 * @throws {ValidationError} It is malformed, unknown, or cannot stand where it does.
 */
export function encodeExtension(path: string, kind: ExtensionKind, given: GivenExtension, context: ExtensionContext): OpaqueExtension {
  const { [kind]: name } = given
  if (typeof name !== 'string') throw new ValidationError(`${path}.${kind}`, name, `the name of a ${kind}`)
  if (given.opaque !== undefined) return requireOpaque(`${path}.opaque`, given.opaque, name)
  const known = extensionOfWord(kind, context.family, name)
  if (known === undefined)
    throw new ValidationError(
      `${path}.${kind}`,
      name,
      `a ${kind} that there are words for in family ${context.family}, or one that is opaque`
    )
  requirePlace(`${path}.${kind}`, known, context)
  try {
    return { name: known.name, revision: known.revision, info: known.encode(given, context) }
  } catch (error) {
    throw locate(error, `${path}.`)
  }
}

/** A match or target in words; opaque where there are none for it. */
export function decodeExtension(kind: ExtensionKind, structure: OpaqueExtension, context: ExtensionContext): GivenExtension {
  const { name, revision } = structure
  for (const known of extensionsNamed(kind, context.family, name)) {
    const options = known.revision === revision ? known.decode(structure.info, context) : undefined
    if (options !== undefined) return { [kind]: wordOf(known), ...options }
  }
  return { [kind]: name, opaque: structure }
}

/** A structure without the bytes that only the kernel fills, and without padding: what is compared. */
export function comparableInfo(kind: ExtensionKind, structure: OpaqueExtension, context: ExtensionContext): Uint8Array {
  const known = extensionsNamed(kind, context.family, structure.name).find(({ revision }) => revision === structure.revision)
  // A longer one says more than the structure has room for, as NFLOG may.
  if (known === undefined || structure.info.length > padded(known.size)) return structure.info
  const info = structure.info.slice(0, known.size)
  for (const [offset, length] of known.kernelBytes ?? []) info.fill(0, offset, offset + length)
  return info
}
