/** The platforms whose binaries are in the tarball, and what each is called for zig. */
export const targets: Readonly<Record<string, { readonly triple: string }>>
/** Where the binary of a target is, from the root of the package. */
export function binaryOf(target: string): string
