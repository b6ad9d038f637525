/**
 * Numbers that options have.
 */

/** Whether a value is an integer of the range. */
export function isInteger(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}
