import { pino, type Logger } from 'pino'

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** As JSON writes a character that may not stand for itself; a character beyond 16 bits becomes a pair. */
function escape(character: string): string {
  return Array.from({ length: character.length }, (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
}

/**
 * Escapes what a terminal would obey or a reader would not see: control characters, characters that turn the direction of writing or have no width, line separators. Names of
 * files and the text of manifests come from outside.
 */
export function escapeInvisible(text: string): string {
  return text.replace(INVISIBLE, escape)
}

/** A log of JSON lines on standard output. They stay JSON: only texts hold what is escaped. */
export function openLog(level: string): Logger {
  return pino({ name: 'netplane-proxy', level, hooks: { streamWrite: (line) => `${escapeInvisible(line.trimEnd())}\n` } })
}
