/**
 * The forms in which a command says what it found.
 */
import { stringify } from 'yaml'
import type { CommandEnvironment } from '../environment.js'

/** `text` is for people and may change; `json` and `yaml` are for programs, and have the same fields. */
export const FORMATS = ['text', 'wide', 'json', 'yaml'] as const

/** One of {@link FORMATS}. */
export type Format = (typeof FORMATS)[number]

/** What JSON cannot say: 64-bit counters are written as decimal strings, `Infinity` as null. */
function plainValue(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

/** Writes a document for programs, or has the text made for people. */
export function writeResult(environment: CommandEnvironment, format: Format, document: unknown, text: () => readonly string[]): void {
  const { stdout } = environment
  if (format === 'json') stdout.write(`${JSON.stringify(document, plainValue, 2)}\n`)
  else if (format === 'yaml') stdout.write(stringify(JSON.parse(JSON.stringify(document, plainValue)), { lineWidth: 0 }))
  else {
    const lines = text()
    if (lines.length > 0) stdout.write(`${lines.join('\n')}\n`)
  }
}

/** Writes one of several events: `json` is an object a line, `yaml` a document each, and people get a line, where there is one for them. */
export function writeEvent({ stdout }: CommandEnvironment, format: Format, event: unknown, line: () => string | undefined): void {
  const text = JSON.stringify(event, plainValue)
  if (format === 'json') stdout.write(`${text}\n`)
  else if (format === 'yaml') stdout.write(`---\n${stringify(JSON.parse(text), { lineWidth: 0 })}`)
  else {
    const written = line()
    if (written !== undefined) stdout.write(`${written}\n`)
  }
}

/** Columns that a table may take: all that the terminal has, but with `wide`, and in a pipe, as many as it wants. */
export function widthFor({ stdout }: CommandEnvironment, format: Format): number | undefined {
  return format === 'wide' || stdout.isTTY !== true ? undefined : stdout.columns || undefined
}
