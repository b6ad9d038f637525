/**
 * Limits for what is said of a file.
 */

/** Lines that are told at once; of more their number is said. */
export const MAX_TOLD = 20

/** The first lines, and how many more there are. @param isAll Whether there are no further ones than these. */
export function fewOf(lines: readonly string[], what: string, isAll = true): string[] {
  const more = lines.length - MAX_TOLD
  if (more <= 0) return [...lines]
  return [...lines.slice(0, MAX_TOLD), `and ${isAll ? '' : 'at least '}${more} more ${what}`]
}
