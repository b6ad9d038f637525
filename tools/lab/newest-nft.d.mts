/** Types of newest-nft.mjs, for the suites. */
import type { NewestPackage } from './newest-package.mjs'

export const newestNft: NewestPackage<string[]>
