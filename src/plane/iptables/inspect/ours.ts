/**
 * What in the tables of iptables is ours.
 */
import { NetplaneError } from '../../../core/errors.js'
import type { IptablesTableName } from '../../../iptables/index.js'
import { CHAIN, isServiceChain } from '../layout/names.js'
import { CANARY } from './canaries.js'
import type { KernelState } from './kernel.js'

/** Whether a chain of this name is ours, or kube-proxy's, which has the same ones. */
export function isOurChain(table: IptablesTableName, name: string): boolean {
  return isServiceChain(table, name) || name === CANARY
}

/** Whether a rule of a base chain is ours, by the chain that it goes on in. Rules of other programs may lead to the chain that marks packets. */
export function isOurJump(table: IptablesTableName, called: string | undefined): boolean {
  return called !== undefined && called !== CHAIN.mark && isOurChain(table, called)
}

/** Whether tables say that they are ours. */
export function isMarked({ tables }: KernelState): boolean {
  return [...tables.values()].some(({ chains }) => chains.has(CHAIN.owner))
}

/** A chain with a name of ours. One without rules, as cleaning up leaves it where rules of other programs lead to it, is nobody's; a running kube-proxy has its canary. */
function findNamed({ tables }: KernelState): string | undefined {
  for (const { family, name, chains } of tables.values())
    for (const [chain, { rules }] of chains)
      if (isOurChain(name, chain) && (rules.length > 0 || chain === CANARY)) return `chain ${family} ${name} ${chain}`
  return undefined
}

/**
 * Whether the tables hold anything of ours.
 *
 * @param takeOver What kube-proxy left is ours, too.
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: chains of these names are there, and nothing says that they are ours.
 */
export function holdsOurs(kernel: KernelState, takeOver: boolean): boolean {
  if (isMarked(kernel)) return true
  const found = findNamed(kernel)
  if (found === undefined) return false
  if (takeOver) return true
  const why = `${found} exists and is not ours (there is no chain ${CHAIN.owner})`
  throw new NetplaneError(
    'ERR_NETPLANE_FOREIGN',
    `${why}: end the kube-proxy that made it, and take over what it left by option takeOver, or remove it`
  )
}
