/** Types of headers.mjs, for its test. */
export const headerPackage: string
export function findHeaders(root: string, executable?: string): string | undefined
export function provideHeaders(root: string): string
