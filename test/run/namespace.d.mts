/** Types of namespace.mjs, for the tests that start a child in namespaces of its own. */
export function inNamespace(argv: readonly string[]): string[]
