/**
 * What all matches of this folder have in common.
 */
import { requireFields, requireKnown } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import type { Extension } from '../extension.js'

/** The names of all options of a match, also of those that only some of its forms have. */
export type OptionNames<Options> = Options extends unknown ? keyof Options & string : never

/** The options of a match while a line is read. */
export type Drafted<Options> = { -readonly [Name in keyof Options]?: Options[Name] }

/** What a file of this folder says of a match. */
export interface MatchDefinition<Name extends string, Options extends object, Draft extends object> extends Omit<
  Extension<Options, Draft, Name>,
  'kind'
> {
  /** All options; others are refused. */
  readonly fields: readonly OptionNames<Options>[]
  /** Bytes that say nothing although a program fills them: other bytes there are read as well. */
  readonly idleBytes?: readonly (readonly [offset: number, length: number])[]
}

/**
 * A match that refuses options that it does not know, and reads a structure only where its options make the same bytes again: what they cannot say is not lost.
 */
export function match<Name extends string, Options extends object, Draft extends object = Drafted<Options>>({
  fields,
  idleBytes = [],
  ...given
}: MatchDefinition<Name, Options, Draft>): Extension<Options, Draft, Name> {
  const unread = [...idleBytes, ...(given.kernelBytes ?? [])]
  return {
    ...given,
    kind: 'match',
    encode: (options, context) => {
      requireFields('options', options)
      requireKnown('', options, ['match', ...fields])
      return given.encode(options, context)
    },
    decode: (info, context) => {
      const options = given.decode(info, context)
      if (options === undefined) return undefined
      try {
        return isSame(given.encode(options, context), info, unread) ? options : undefined
      } catch (error) {
        if (error instanceof ValidationError) return undefined
        throw error
      }
    }
  }
}

/** Whether the bytes of `made` are those of `info`, aside from some ranges. */
function isSame(made: Uint8Array, info: Uint8Array, unread: readonly (readonly [number, number])[]): boolean {
  return made.every((byte, at) => byte === info[at] || unread.some(([offset, length]) => at >= offset && at < offset + length))
}
