// The content of the rows with rules of iptables: chains of the user with two rules each, as a file for iptables-restore and for the library.
import type { Subject } from '../frame/subject.js'
import { dottedQuad } from './expressions.js'

export interface IptablesOptions {
  readonly chains: number
}

const place = { family: 'ip', table: 'filter' } as const
/** 10.96.0.0 */
const firstService = 0x0a60_0000
const port = 80
const mark = 0x4000

/** Names of one length, so that no side profits from short ones. */
const chainName = (index: number): string => `KUBE-SVC-${String(index).padStart(6, '0')}`

const indices = (chains: number): readonly number[] => Array.from({ length: chains }, (_, index) => index)

/** The file. */
export function iptablesFile(chains: number): string {
  const rules = (index: number): string => {
    const address = dottedQuad(firstService + index)
    return `-A ${chainName(index)} -s ${address}/32 -m comment --comment "service ${index}" -j MARK --set-xmark 0x4000/0x4000
-A ${chainName(index)} -d ${address}/32 -p tcp -m tcp --dport ${port} -m comment --comment "service ${index}" -j ACCEPT`
  }
  const declared = indices(chains).map((index) => `:${chainName(index)} - [0:0]`)
  return ['*filter', ...declared, ...indices(chains).map(rules), 'COMMIT', ''].join('\n')
}

/** Builds and commits the same rules in one transaction; the building counts, as each rule is made by a call of its own. */
export const iptablesRules: Subject<IptablesOptions> = async ({ Iptables }, netns, { chains }) => {
  const iptables = await Iptables.open({ netns })
  return {
    work: async () => {
      const tx = iptables.transaction()
      for (const index of indices(chains)) tx.newChain({ ...place, chain: chainName(index) })
      for (const index of indices(chains)) {
        const chain = { ...place, chain: chainName(index) }
        const address = `${dottedQuad(firstService + index)}/32`
        const comment = { match: 'comment', comment: `service ${index}` } as const
        tx.append(chain, { source: address, matches: [comment], target: { target: 'MARK', value: mark, mask: mark } })
        const matches = [{ match: 'tcp', destinationPort: port }, comment] as const
        tx.append(chain, { destination: address, protocol: 'tcp', matches, target: 'ACCEPT' })
      }
      await tx.commit()
    },
    close: () => iptables.close()
  }
}
