// Makes the npm package `netplane-proxy` of the example proxy: `npm run package:proxy`, or node examples/proxy/deploy/package.mjs [FOLDER].
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { bundleProxy } from './bundle.mjs'

const repository = path.resolve(import.meta.dirname, '../../..')

const README = `# netplane-proxy

Makes the kernel's service rules of this node follow a Kubernetes API server, or a folder of manifests: what kube-proxy does, by [netplane](https://www.npmjs.com/package/netplane).

\`\`\`sh
npx netplane-proxy --manifests FOLDER --plan
npx netplane-proxy --kubeconfig FILE --local-sources 10.244.0.0/16
npx netplane-proxy --help
\`\`\`

It needs Linux and CAP_NET_ADMIN.
The page \`docs/proxy.md\` of netplane's repository says all that it does, and \`LICENCES.txt\` what libraries are in it.
`

/** What npm is told. The library has the same version, and its binaries. */
function manifestOf({ version, license, keywords, engines, repository: url }) {
  return {
    name: 'netplane-proxy',
    version,
    description: 'A proxy for the Services of Kubernetes on Linux, by netlink alone',
    license,
    keywords: ['kubernetes', 'kube-proxy', ...keywords],
    type: 'module',
    bin: { 'netplane-proxy': './proxy.js' },
    files: ['proxy.js', 'proxy-parser.js', 'LICENCES.txt'],
    os: ['linux'],
    engines,
    ...(url === undefined ? {} : { repository: url }),
    dependencies: { netplane: version }
  }
}

const folder = path.resolve(process.argv[2] ?? path.join(repository, 'build', 'netplane-proxy'))
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
await bundleProxy({ repository, folder, isProgram: true })
const own = JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8'))
writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifestOf(own), null, 2)}\n`)
writeFileSync(path.join(folder, 'README.md'), README)
copyFileSync(path.join(repository, 'LICENSE'), path.join(folder, 'LICENSE'))
console.log(`${folder}: netplane-proxy ${own.version}`)
