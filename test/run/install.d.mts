/** Types of install.mjs, for its test. */
export interface Lacking {
  npm: boolean
  headers: string | undefined
  packages: string[]
  kernels: string[]
  servers: boolean
}
export function announce(
  lacking: Lacking,
  surroundings: { isAllowed: boolean; hasApt: boolean; cache: string }
): { lines: string[]; mayGoOn: boolean }
