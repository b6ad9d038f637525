import { differences } from './differences.js'
import { referenceRules, type Part } from './rules.js'
import type { Subject } from '../run.js'

/** kube-proxy's nftables mode as far as its rules go, loaded by `nft`; `without` leaves a part out. */
export const kubeProxy = (without?: Part): Subject => ({
  name: "kube-proxy's rules",
  about:
    'The rules that kube-proxy writes in nftables mode, loaded by `nft`. They show that the rows are right, and where netplane does more.',
  requires: ['nftables'],
  differences,
  open: ({ node }, settings) =>
    Promise.resolve({
      apply: async (services) => {
        const rules = referenceRules({ services: [...services.values()], settings, ...(without === undefined ? {} : { without }) })
        await node.run('nft', ['-f', '-'], { input: rules })
        return new Map<string, string>()
      },
      close: async () => {
        await node.run('nft', ['-f', '-'], { input: 'delete table ip kube-proxy\ndelete table ip6 kube-proxy\n' })
      }
    })
})
