/**
 * The words of one line, taken one after the other.
 */
import { splitWords, type Word } from './quote.js'
import { IptablesSyntaxError } from './syntax-error.js'

/** Whether a word is an option, or inverts one. */
function isOption({ text, isQuoted }: Word): boolean {
  return !isQuoted && (text === '!' || (text.startsWith('-') && text.length > 1))
}

/** Words of a line, from the first to the last. */
export class Words {
  readonly line: number
  readonly #words: Word[]
  readonly #endColumn: number
  #next = 0

  /** @throws {IptablesSyntaxError} A quote does not end. */
  constructor(text: string, line: number) {
    this.line = line
    this.#endColumn = text.length + 1
    const words = splitWords(text)
    if (typeof words === 'number') throw new IptablesSyntaxError(line, words, text.slice(words - 1), 'a word whose quotation marks end')
    this.#words = [...words]
  }

  /** The next word, which stays; undefined at the end. */
  peek(): Word | undefined {
    return this.#words[this.#next]
  }

  /** Takes the next word; undefined at the end. */
  take(): Word | undefined {
    return this.#words[this.#next++]
  }

  /** Takes the value of an option, whatever it looks like. @throws {IptablesSyntaxError} There is none. */
  takeValue(option: Word, what = 'a value'): Word {
    return this.take() ?? this.fail({ text: '', column: this.#endColumn, isQuoted: false }, `${what} after ${option.text}`)
  }

  /** Takes a word that is no option, if there is one. */
  takePlain(): Word | undefined {
    const word = this.peek()
    return word === undefined || isOption(word) ? undefined : this.take()
  }

  /** Puts two words in the place of the one that was taken last. */
  split(option: Word, value: Word): void {
    this.#words.splice(this.#next - 1, 1, option, value)
  }

  /** Ends the reading. */
  fail(word: Word, allowed: string): never {
    throw new IptablesSyntaxError(this.line, word.column, word.text, allowed)
  }
}
