/** Types of libraries.mjs, for its test. */
export function parseLibraries(file: string, text: string): string[]
export function findLibraries(files: readonly string[]): string[]
