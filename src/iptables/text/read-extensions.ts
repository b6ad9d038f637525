/**
 * Matches and targets of a line: those that it names, and the options that belong to them.
 */
import { ValidationError } from '../../core/errors.js'
import type { ExtensionContext, OptionReader } from '../extensions/extension.js'
import { extensionOfWord, wordOf, wordsWithOption, type AnyExtension, type ExtensionKind } from '../extensions/registry.js'
import { requirePlace, type GivenExtension } from '../rule/extensions.js'
import type { IptablesFamily, OpaqueExtension } from '../types.js'
import type { Word } from './quote.js'
import type { Words } from './words.js'

/** A match or target that a line has named. */
interface Loaded {
  readonly word: Word
  readonly known: AnyExtension
  readonly draft: object
}

/** A match or target whose structure the line gives as it is. */
interface LoadedOpaque {
  readonly kind: ExtensionKind
  readonly opaque: OpaqueExtension
}

const OPAQUE = '--opaque'

/** A revision and the bytes of the structure: `1:00ff`. */
const OPAQUE_VALUE = /^([0-9]{1,3}):((?:[0-9a-f]{2})*)$/

/** The matches of a line, in their order, and its target. */
export class ReadExtensions {
  readonly #words: Words
  readonly #family: IptablesFamily
  readonly #loaded: (Loaded | LoadedOpaque)[] = []

  constructor(words: Words, family: IptablesFamily) {
    this.#words = words
    this.#family = family
  }

  /** Notes that a line names a match or target. @returns Whether there is one. */
  load(kind: ExtensionKind, word: Word): boolean {
    if (this.#words.peek()?.text === OPAQUE) {
      this.#loaded.push({ kind, opaque: this.#readOpaque(word) })
      return true
    }
    const known = extensionOfWord(kind, this.#family, word.text)
    if (known === undefined) return false
    this.#loaded.push({ word, known, draft: known.draft() })
    return true
  }

  /** Whether a match is named. */
  hasMatch(name: string): boolean {
    const known = extensionOfWord('match', this.#family, name)
    return this.#loaded.some((loaded) => 'known' in loaded && loaded.known === known)
  }

  /** Reads an option with its values, for the match or target that was named last of those that have it. @returns Whether there is one. */
  readOption(option: Word, isInverted: boolean): boolean {
    const found = this.#find(option.text)
    if (found === undefined) return false
    const { reader, draft } = found
    const words = this.#words
    if (isInverted && reader.isInvertible !== true) words.fail(option, `${option.text} without ! before it`)
    const [least, most] = typeof reader.values === 'number' ? [reader.values, reader.values] : reader.values
    const values: Word[] = []
    while (values.length < least) values.push(words.takeValue(option))
    for (let more = values.length < most ? words.takePlain() : undefined; more !== undefined;) {
      values.push(more)
      more = values.length < most ? words.takePlain() : undefined
    }
    const fail = (allowed: string, value?: number): never =>
      words.fail((value === undefined ? undefined : values[value]) ?? option, allowed)
    this.#guard(values[0] ?? option, () =>
      reader.read(
        draft,
        values.map(({ text }) => text),
        { isInverted, fail }
      )
    )
    return true
  }

  /** What is wrong with an option that belongs to nothing. */
  unknown(option: Word): never {
    const places = wordsWithOption(this.#family, option.text)
    const before = places.length === 0 ? '' : `; ${option.text} belongs to ${places.join(', ')}, to be named before it`
    return this.#words.fail(option, `an option of iptables, or of a match or target that the line names before it${before}`)
  }

  /** All of one kind, with their options. @throws {IptablesSyntaxError} Options are missing or exclude each other. */
  finish(kind: ExtensionKind, context: ExtensionContext): GivenExtension[] {
    return this.#loaded.flatMap((loaded): GivenExtension[] => {
      if ('opaque' in loaded) return loaded.kind === kind ? [{ [kind]: loaded.opaque.name, opaque: loaded.opaque }] : []
      const { known, draft, word } = loaded
      if (known.kind !== kind) return []
      return this.#guard(word, () => {
        requirePlace(wordOf(known), known, context)
        const options = known.finish(draft, context, (allowed) => this.#words.fail(word, allowed))
        return [{ [kind]: wordOf(known), ...options }]
      })
    })
  }

  #find(option: string): { readonly reader: OptionReader<object>; readonly draft: object } | undefined {
    for (const loaded of this.#loaded.toReversed()) {
      if ('opaque' in loaded || !Object.hasOwn(loaded.known.options, option)) continue
      return { reader: loaded.known.options[option]!, draft: loaded.draft }
    }
    return undefined
  }

  #readOpaque(word: Word): OpaqueExtension {
    const option = this.#words.takeValue(word)
    const value = this.#words.takeValue(option)
    const [, revision, bytes] = OPAQUE_VALUE.exec(value.text) ?? []
    if (revision === undefined || bytes === undefined || Number(revision) > 255)
      return this.#words.fail(value, 'a revision, :, and the bytes of the structure in hexadecimal digits')
    return { name: word.text, revision: Number(revision), info: Uint8Array.from(Buffer.from(bytes, 'hex')) }
  }

  /** What a match or target finds malformed is told with its place in the line. */
  #guard<T>(word: Word, work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (error instanceof ValidationError && error.name === 'ValidationError') return this.#words.fail(word, error.allowed)
      throw error
    }
  }
}
