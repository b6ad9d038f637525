// The content of the row with many small objects: chains with two rules each, as text for nft and for the library.
import type { Subject } from '../frame/subject.js'
import type { Transaction } from '../../src/nftables/transaction.js'
import { acceptRule, addressBytes, dottedQuad, markRule } from './expressions.js'

export interface ObjectsOptions {
  readonly chains: number
  /** By one call for all, instead of one for each object. */
  readonly isRepeated?: boolean
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

type Queue = Pick<Transaction, 'add'>

/** A chain and its rules. */
function queueChain({ add }: Queue, chain: string, address: Uint8Array): void {
  add.chain({ family: 'ip', table: table.name, name: chain })
  add.rule({ family: 'ip', table: table.name, chain, expressions: acceptRule(address, port) })
  add.rule({ family: 'ip', table: table.name, chain, expressions: markRule() })
}

const chainNames = (chains: number): string[] => Array.from({ length: chains }, (_, index) => chainName(index))

/** Builds and commits the same table in one transaction; the building counts. */
export const nftablesObjects: Subject<ObjectsOptions> = async ({ Nftables }, netns, { chains, isRepeated = false }) => {
  const nftables = await Nftables.open({ netns })
  return {
    work: async () => {
      const tx = nftables.transaction()
      tx.add.table(table)
      const names = chainNames(chains)
      if (isRepeated)
        tx.repeat(chains, { chain: names, address: addressBytes(firstService, chains) }, (own, row) =>
          queueChain(own, row.chain, row.address)
        )
      else for (const [index, chain] of names.entries()) queueChain(tx, chain, addressBytes(firstService + index, 1))
      await tx.commit()
    },
    close: () => nftables.close()
  }
}
