/** The test files of each suite; throws where a file is in none. */
export function filesOfSuites(root: string): Map<{ readonly name: string }, string[]>
