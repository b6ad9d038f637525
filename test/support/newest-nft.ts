import { newestNft } from '../../tools/lab/newest-nft.mjs'

/** A version of nft: how tests name it, and its command line. */
export interface NftProgram {
  readonly name: string
  readonly command: readonly string[]
}

/** The nft of this machine and the newest that Debian has. Throws where that has not been fetched, and says why. */
export function nftPrograms(): readonly [own: NftProgram, newest: NftProgram] {
  return [
    { name: "this machine's nft", command: ['nft'] },
    { name: 'the newest nft', command: newestNft.require() }
  ]
}
