// The newest nft that Debian has. Run by itself it fetches it, or says why it cannot.
import path from 'node:path'
import process from 'node:process'
import { loaderIn, newestPackage } from './newest-package.mjs'

/** Its command line. */
export const newestNft = newestPackage({
  name: 'nft',
  packageName: 'nftables',
  use: (root) => {
    const found = loaderIn(root, /^libnftables\.so\.\d+$/)
    return found && [found.loader, '--library-path', found.libraries, path.join(root, 'usr', 'sbin', 'nft')]
  }
})

if (process.argv[1] === import.meta.filename) console.log((await newestNft.provide()).join(' '))
