/** Types of newest-nft.mjs, for the suites. */
export function newestNft(): string[] | undefined
export function provideNewestNft(): Promise<string[]>
