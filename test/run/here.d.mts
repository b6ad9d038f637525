/** Types of here.mjs, for vitest.config.ts and the tests. */
export function hasIpvs(): boolean
export function lacksHere(): Record<string, string>
