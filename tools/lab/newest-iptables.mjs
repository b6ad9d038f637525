// The newest iptables that Debian has. Run by itself it fetches it, or says why it cannot.
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { loaderIn, newestPackage } from './newest-package.mjs'

const binFolder = 'bin'
const script = 'run'
/** Its programs for nf_tables are one, which looks at the name by which it is called. */
const names = ['iptables', 'ip6tables'].flatMap((name) =>
  [name, `${name}-nft`].flatMap((program) => [program, `${program}-save`, `${program}-restore`])
)

/** Runs the program by whose name it was called. The folder may be moved. */
function scriptOf({ loader, libraries }) {
  return `#!/bin/sh
root=\${0%/*}/..
export XTABLES_LIBDIR="$root/${libraries}/xtables"
exec "$root/${loader}" --argv0 "\${0##*/}" --library-path "$root/${libraries}" "$root/usr/sbin/xtables-nft-multi" "$@"
`
}

function placesIn(root) {
  const found = loaderIn(root, /^libxtables\.so\.\d+$/)
  return found && { loader: path.relative(root, found.loader), libraries: path.relative(root, found.libraries) }
}

/** The folder of its programs, which goes first in PATH. */
export const newestIptables = newestPackage({
  name: 'iptables',
  packageName: 'iptables',
  prepare: (root) => {
    const places = placesIn(root)
    if (places === undefined || !existsSync(path.join(root, 'usr/sbin/xtables-nft-multi'))) return
    const bin = path.join(root, binFolder)
    mkdirSync(bin)
    writeFileSync(path.join(bin, script), scriptOf(places), { mode: 0o755 })
    for (const name of names) symlinkSync(script, path.join(bin, name))
  },
  use: (root) => {
    const bin = path.join(root, binFolder)
    return existsSync(path.join(bin, script)) ? bin : undefined
  }
})

if (process.argv[1] === import.meta.filename) console.log(await newestIptables.provide())
