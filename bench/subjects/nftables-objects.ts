// The content of the row with many small objects: chains with two rules each, as text for nft and for the library.
import type { Subject } from '../frame/subject.js'
import { acceptRule, dottedQuad, markRule } from './expressions.js'

export interface ObjectsOptions {
  readonly chains: number
}

const table = { family: 'ip', name: 'bench' } as const
/** 10.96.0.0 */
const firstService = 0x0a60_0000
const port = 80

/** Names of one length, so that no side profits from short ones. */
const chainName = (index: number): string => `service-${String(index).padStart(6, '0')}`

/** The table in nft's language. */
export function objectsScript(chains: number): string {
  const one = (index: number): string => `  chain ${chainName(index)} {
    ip daddr ${dottedQuad(firstService + index)} tcp dport ${port} counter accept
    meta mark set 1
  }`
  return `table ip ${table.name} {\n${Array.from({ length: chains }, (_, index) => one(index)).join('\n')}\n}\n`
}

/** Builds and commits the same table in one transaction; the building counts, as each object is made by a call of its own. */
export const nftablesObjects: Subject<ObjectsOptions> = async ({ Nftables }, netns, { chains }) => {
  const nftables = await Nftables.open({ netns })
  return {
    work: async () => {
      const tx = nftables.transaction()
      tx.add.table(table)
      for (let index = 0; index < chains; index += 1) {
        const chain = chainName(index)
        tx.add.chain({ family: 'ip', table: table.name, name: chain })
        tx.add.rule({ family: 'ip', table: table.name, chain, expressions: acceptRule(firstService + index, port) })
        tx.add.rule({ family: 'ip', table: table.name, chain, expressions: markRule() })
      }
      await tx.commit()
    },
    close: () => nftables.close()
  }
}
