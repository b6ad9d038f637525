/** Types of report.mjs, for its test. */
export interface Count {
  readonly passed: number
  readonly failed: number
}
export function countVitest(
  file: string,
  status: number
): Count & { readonly files: Readonly<Record<string, Count & { readonly seconds: number }>> }
export function describeFailures(most?: number): string[]
export function describeSlowest(files: Readonly<Record<string, { readonly seconds: number }>>, root: string, count?: number): string
export function countGoogleTest(file: string, status: number): Count
export function countOne(status: number): Count
export function sum(counts: readonly Count[]): Count
