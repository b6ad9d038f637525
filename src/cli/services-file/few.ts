/**
 * Limits for what is said of a file.
 */

/** Lines that are told at once; of more their number is said. */
export const MAX_TOLD = 20

/** The first lines, and what is said of the number of the others. */
export function fewOf(lines: readonly string[], others: (more: number) => string): string[] {
  const more = lines.length - MAX_TOLD
  return more > 0 ? [...lines.slice(0, MAX_TOLD), others(more)] : [...lines]
}
