/**
 * Drives one match or target of iptables from the words of a line and back, as the reader and the printer of lines do.
 */
import { ValidationError } from '../../src/core/errors.js'
import { IPPROTO } from '../../src/core/protocols.js'
import type { Extension, ExtensionContext, OptionPlace, OptionReader } from '../../src/iptables/extensions/extension.js'
import type { IptablesFamily } from '../../src/iptables/types.js'

/** Any match or target; its draft and options are not known here. */
export interface AnyExtension extends Omit<Extension<object, object>, 'encode' | 'decode' | 'print' | 'setsOf' | 'options' | 'finish'> {
  encode(options: object, context: ExtensionContext): Uint8Array
  decode(info: Uint8Array, context: ExtensionContext): object | undefined
  print(options: object, context: ExtensionContext): string[]
  setsOf?(options: object): readonly (string | number)[]
  readonly options: Readonly<Record<string, OptionReader<object>>>
  finish(draft: object, context: ExtensionContext, fail: (allowed: string) => never): object
}

/** The words of a line; quotation marks and backslashes as `iptables-restore` takes them. */
export function wordsOf(line: string): string[] {
  const words = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []
  return words.map((word) => (word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, '$1') : word))
}

/** The number of the protocol that a line asks for. */
export function protocolOf(words: readonly string[]): number | undefined {
  const at = words.indexOf('-p')
  const name = at < 0 || words[at - 1] === '!' ? undefined : words[at + 1]
  return name === undefined ? undefined : (Object.entries(IPPROTO).find(([known]) => known === name)?.[1] ?? Number(name))
}

/** The extension that is written for a name on a line: the one of the highest revision. */
export function writtenFor(extensions: readonly AnyExtension[], name: string, family: IptablesFamily): AnyExtension {
  const found = extensions.filter((each) => (each.alias ?? each.name) === name && each.families.includes(family))
  const [best] = found.sort((left, right) => right.revision - left.revision)
  if (best === undefined) throw new Error(`no extension ${name} of ${family}`)
  return best
}

/** What reads a structure of the kernel, and the options that it has. */
export function readInfo(
  extensions: readonly AnyExtension[],
  { name, revision, info }: { readonly name: string; readonly revision: number; readonly info: Uint8Array },
  context: ExtensionContext
): { readonly extension: AnyExtension; readonly options: object } | undefined {
  for (const extension of extensions) {
    if (extension.name !== name || extension.revision !== revision || !extension.families.includes(context.family)) continue
    const options = extension.decode(info, context)
    if (options !== undefined) return { extension, options }
  }
  return undefined
}

/** Reads the words after `-j NAME` or `-m NAME`. @throws {ValidationError} */
export function readOptions(extension: AnyExtension, words: readonly string[], context: ExtensionContext): object {
  const draft = extension.draft()
  const fail = (allowed: string): never => {
    throw new ValidationError('line', words.join(' '), allowed)
  }
  let at = 0
  while (at < words.length) {
    const isInverted = words[at] === '!'
    if (isInverted) at++
    const option = words[at++] ?? fail('an option after !')
    const reader = extension.options[option] ?? fail(`an option of ${extension.name}, not ${option}`)
    if (isInverted && reader.isInvertible !== true) fail(`no ! before ${option}`)
    const [least, most] = typeof reader.values === 'number' ? [reader.values, reader.values] : reader.values
    const values: string[] = []
    while (values.length < most && at < words.length && (values.length < least || !/^(?:-|!)/.test(words[at]!))) values.push(words[at++]!)
    if (values.length < least) fail(`${least} words after ${option}`)
    const place: OptionPlace = { isInverted, fail }
    reader.read(draft, values, place)
  }
  return extension.finish(draft, context, fail)
}

/** The words that `iptables-save` prints after `-j NAME` or `-m NAME`, on one line. */
export function printOptions(extension: AnyExtension, options: object, context: ExtensionContext): string {
  const words = extension.print(options, context)
  return words.map((word, at) => (extension.quoted?.includes(words[at - 1] ?? '') === true ? quote(word) : word)).join(' ')
}

function quote(text: string): string {
  return /^[\w-]+$/.test(text) ? text : `"${text.replaceAll(/["\\']/g, (character) => `\\${character}`)}"`
}

/** A structure without the bytes that only the kernel fills, and without its padding. */
export function comparable({ size, kernelBytes = [] }: AnyExtension, info: Uint8Array): Uint8Array {
  const copy = info.slice(0, size)
  for (const [offset, length] of kernelBytes) copy.fill(0, offset, offset + length)
  return copy
}
