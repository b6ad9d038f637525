/**
 * Removing what is ours, and nothing else.
 */
import { NetlinkError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import type { ChainSnapshot, TableSnapshot } from '../../iptables/state/snapshot.js'
import { tableKey } from '../../iptables/state/snapshot.js'
import type { Nftables, Transaction } from '../../nftables/index.js'
import { MAX_TRIES, pauseBefore } from '../core/tries.js'
import { MADE_COMMENT } from './apply/steps.js'
import { lonelyCanaries } from './inspect/canaries.js'
import { readKernel, type KernelState } from './inspect/kernel.js'
import { neededByOthers } from './inspect/needed.js'
import { holdsOurs, isMarked, isOurChain, isOurJump } from './inspect/ours.js'
import { calledChainOf } from './rules.js'

/** Whether a base chain was made by us, and nobody else uses it. */
function isUnused({ chain, rules }: ChainSnapshot, ours: number): boolean {
  const isAccepting = chain.policy === undefined || chain.policy === 'accept' || chain.policy === 1
  return chain.hook !== undefined && chain.comment === MADE_COMMENT && rules.length === ours && isAccepting
}

/** @returns Whether any chain is left. */
async function clearTable(tx: Transaction, table: TableSnapshot): Promise<boolean> {
  const slices = new Slices()
  const { family, name: inTable, chains } = table
  const needed = await neededByOthers(table, slices)
  const gone: string[] = []
  for (const [name, snapshot] of chains) {
    if (slices.isOver) await slices.turn()
    if (isOurChain(inTable, name)) {
      tx.flush.chain({ family, table: inTable, name })
      // What others lead to stays, without rules.
      if (!needed.has(name)) gone.push(name)
      continue
    }
    if (snapshot.chain.hook === undefined) continue
    const ours = snapshot.rules.filter((rule) => isOurJump(inTable, calledChainOf(rule)))
    for (const { handle } of ours) tx.delete.rule({ family, table: inTable, chain: name, handle })
    if (isUnused(snapshot, ours.length)) gone.push(name)
  }
  await slices.each(gone, (name) => tx.delete.chain({ family, table: inTable, name }))
  return gone.length < chains.size
}

async function tryOnce(nft: Nftables, kernel: KernelState): Promise<void> {
  const tx = nft.transaction()
  for (const table of kernel.tables.values()) {
    const { family, name } = table
    const isLeft = await clearTable(tx, table)
    if (!isLeft && kernel.listed.get(tableKey(family, name))?.comment === MADE_COMMENT) tx.delete.table({ family, name })
  }
  // What a kube-proxy left is taken over to be removed.
  if (!isMarked(kernel)) for (const { family, table, chain: name } of await lonelyCanaries(nft)) tx.delete.chain({ family, table, name })
  if (tx.size > 0) await tx.commit({ generation: kernel.generation })
}

/**
 * Removes what is ours. Rules, chains and tables of others stay as they are.
 *
 * @param before Is called while all is still there, with what was found.
 * @returns Whether there was anything of ours.
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: chains of our names are not ours; nothing was removed.
 */
export async function cleanUp(nft: Nftables, takeOver: boolean, before: (kernel: KernelState) => Promise<void>): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    const kernel = await readKernel(nft)
    if (!holdsOurs(kernel, takeOver)) return tries > 1
    if (tries === 1) await before(kernel)
    try {
      await tryOnce(nft, kernel)
      return true
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code !== 'ERESTART' || tries === MAX_TRIES) throw error
      await pauseBefore(tries)
    }
  }
}
