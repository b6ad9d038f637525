/** Types of machines.mjs, for the test of the suites. */
export const machines: Readonly<Record<string, { readonly lacks: Readonly<Record<string, string>> }>>
