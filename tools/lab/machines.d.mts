/** Types of machines.mjs, for the test of the suites and the page of behaviour. */
export interface Machine {
  readonly title: string
  readonly lacks: Readonly<Record<string, string>>
}
export const machines: Readonly<Record<string, Machine>>
