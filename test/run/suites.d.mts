/** Types of suites.mjs, for vitest.config.ts and the test of it. */
export interface Suite {
  readonly name: string
  readonly requires: readonly string[]
}
export function filesOfSuites(root: string): Map<Suite, string[]>
export function leftOut(files: Map<Suite, string[]>, lacks: Readonly<Record<string, string>>): Map<string, string[]>
export function notInContainer(files: Map<Suite, string[]>): string[]
