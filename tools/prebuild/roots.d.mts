/** The lines of Node on which the package is tried. */
export const lines: readonly number[]
/** What has a root of a file system of its own. */
export const rooted: readonly string[]
/** The root of a target, fetched when need be. */
export function provideRoot(target: string): Promise<string>
/** A Node of a line for this processor and glibc, fetched when need be: the program. */
export function provideNode(line: number): Promise<string>
/** The command line that runs Node in a root, once that is the root of the file system. */
export function nodeIn(root: string): readonly string[]
