/**
 * Readers of options of targets.
 */
import type { OptionPlace } from '../extension.js'
import { readInteger, requireOnce, type Word } from '../words.js'

/** What the options of a line are gathered in: the target's own options, none of which need be there yet. */
export type Draft<Options extends object> = { -readonly [Name in keyof Options]?: Options[Name] }

/** 2^32 - 1. */
export const MAX_U32 = 0xffff_ffff

/** The value that a word says; ends the reading of the line where it says none. */
export function requireWord<Value>(word: string, { read, allowed }: Pick<Word<Value>, 'read' | 'allowed'>, place: OptionPlace): Value {
  return read(word) ?? place.fail(allowed, 0)
}

/** An integer, as {@link requireWord}. */
export function requireNumber(word: string, min: number, max: number, place: OptionPlace): number {
  return readInteger(word, min, max) ?? place.fail(`an integer from ${min} to ${max}`, 0)
}

/** Notes what an option says; the line ends where it was said before. */
export function note<Notes extends object, Name extends keyof Notes>(
  draft: Notes,
  name: Name,
  value: Notes[Name],
  place: OptionPlace
): void {
  requireOnce(draft, name, place)
  draft[name] = value
}

/** A hexadecimal number as `printf("0x%x")` writes it, with at least so many digits. */
export function hex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`
}
