/**
 * Both directions between the options of a target and its structure.
 */
import { isDeepStrictEqual } from 'node:util'
import { requireKnown, requireObject } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import type { ExtensionContext } from '../extension.js'
import { struct, type Struct } from '../layout.js'

/** The fields of a structure; those that are left out are zero. */
export type Given<Values extends object> = { readonly [Name in keyof Values]?: Values[Name] | undefined }

/** How options become the fields of a structure, and fields options. */
export interface CodecRules<Options extends object, Values extends object> {
  readonly layout: Struct<Values>
  /** All options that there are: others are refused. */
  readonly names: readonly (keyof Options & string)[]
  /** @throws {ValidationError} */
  readonly toValues: (options: Options, context: ExtensionContext) => Given<Values>
  /** Undefined where the fields cannot be said in options. */
  readonly toOptions: (values: Values, context: ExtensionContext) => Options | undefined
  /** What must hold besides, and is not looked at in what is listed. @throws {ValidationError} */
  readonly check?: (options: Options, context: ExtensionContext) => void
}

/** What an extension needs of it. */
export interface Codec<Options extends object> {
  readonly size: number
  encode(options: Options, context: ExtensionContext): Uint8Array
  decode(info: Uint8Array, context: ExtensionContext): Options | undefined
}

/** Makes the two directions of rules. Options are read only from structures that they make again, field for field. */
export function codec<Options extends object, Values extends object>(rules: CodecRules<Options, Values>): Codec<Options> {
  const { layout } = rules
  return {
    size: layout.size,
    encode: (options, context) => {
      requireKnown('', requireObject('target', options), ['target', ...rules.names])
      rules.check?.(options, context)
      return layout.write(rules.toValues(options, context))
    },
    decode: (info, context) => {
      const values = layout.read(info)
      const options = values && rules.toOptions(values, context)
      return options && isWhole(rules, options, values, context) ? options : undefined
    }
  }
}

/** Of a target without options and without a structure. */
export const emptyCodec = codec<object, object>({ layout: struct(0, {}), names: [], toValues: () => ({}), toOptions: () => ({}) })

/** Whether the options say all that the fields hold. */
function isWhole<Options extends object, Values extends object>(
  { layout, toValues }: CodecRules<Options, Values>,
  options: Options,
  values: Values,
  context: ExtensionContext
): boolean {
  try {
    return isDeepStrictEqual(layout.read(layout.write(toValues(options, context))), values)
  } catch (error) {
    if (error instanceof ValidationError) return false
    throw error
  }
}
