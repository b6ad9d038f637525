// The content of the rows with rules of iptables: chains of the user with two rules each, as a file for iptables-restore and for the library.
import type { Subject } from '../frame/subject.js'
import type { IptablesTransaction } from '../../src/iptables/index.js'
import { addressBytes, dottedQuad } from './expressions.js'

export interface IptablesOptions {
  readonly chains: number
  /** By one call for all, instead of one for each chain and rule. */
  readonly isRepeated?: boolean
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

/** One chain. */
interface Chain {
  readonly chain: string
  readonly comment: string
  readonly address: string
}

type Queue = Pick<IptablesTransaction, 'append'>

function appendRules(tx: Queue, { chain: name, comment: text, address }: Chain): void {
  const chain = { ...place, chain: name }
  const comment = { match: 'comment', comment: text } as const
  tx.append(chain, { source: `${address}/32`, matches: [comment], target: { target: 'MARK', value: mark, mask: mark } })
  const matches = [{ match: 'tcp', destinationPort: port }, comment] as const
  tx.append(chain, { destination: `${address}/32`, protocol: 'tcp', matches, target: 'ACCEPT' })
}

function queueSingly(tx: IptablesTransaction, chains: number): void {
  for (const index of indices(chains)) tx.newChain({ ...place, chain: chainName(index) })
  for (const index of indices(chains))
    appendRules(tx, { chain: chainName(index), comment: `service ${index}`, address: dottedQuad(firstService + index) })
}

function queueRepeated(tx: IptablesTransaction, chains: number, formatAddress: (bytes: Uint8Array) => string): void {
  const chain = indices(chains).map((index) => chainName(index))
  const comment = indices(chains).map((index) => `service ${index}`)
  tx.repeat(chains, { chain }, (own, row) => own.newChain({ ...place, chain: row.chain }))
  const columns = { chain, comment, address: addressBytes(firstService, chains) }
  tx.repeat(chains, columns, (own, { address, ...row }) => appendRules(own, { ...row, address: formatAddress(address) }))
}

/** Builds and commits the same rules in one transaction; the building counts. */
export const iptablesRules: Subject<IptablesOptions> = async ({ Iptables, formatAddress }, netns, { chains, isRepeated = false }) => {
  const iptables = await Iptables.open({ netns })
  return {
    work: async () => {
      const tx = iptables.transaction()
      if (isRepeated) queueRepeated(tx, chains, formatAddress)
      else queueSingly(tx, chains)
      await tx.commit()
    },
    close: () => iptables.close()
  }
}
