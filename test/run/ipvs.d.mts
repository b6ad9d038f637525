/** Types of ipvs.mjs, for vitest.config.ts. */
export function hasIpvs(): boolean
