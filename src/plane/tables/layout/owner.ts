/**
 * Tables that belong to one socket, which alone may change them: flags `owner` and `persist` of nf_tables. Every write of the plane goes through the socket of its one client.
 */
import type { AddressFamily } from '../../../core/address.js'
import { ValidationError } from '../../../core/errors.js'
import type { ListedTable } from '../../../nftables/index.js'
import type { Step } from '../../../nftables/steps.js'

/**
 * Whom the tables belong to beside everybody.
 *
 * - `temporary`: the plane, and they go with it (`NFT_TABLE_F_OWNER`, Linux 5.12).
 * - `persistent`: the plane, and when it is gone nobody, until another one takes them over (`NFT_TABLE_F_PERSIST`, Linux 6.9).
 */
export type TableOwner = 'temporary' | 'persistent'

const FLAGS = { temporary: ['owner'], persistent: ['owner', 'persist'] } as const

/** Checks option `tableOwner`. @throws {ValidationError} */
export function checkTableOwner(owner: unknown): TableOwner | undefined {
  if (owner === undefined || owner === 'temporary' || owner === 'persistent') return owner
  throw new ValidationError('tableOwner', owner, "'temporary', 'persistent'")
}

/** The flags of a table that is made. */
export function flagsOf(owner: TableOwner | undefined): { readonly flags?: (typeof FLAGS)[TableOwner] } {
  return owner === undefined ? {} : { flags: FLAGS[owner] }
}

/** What is to be done about whom a table belongs to. */
export interface Ownership {
  /** Why it must be made anew: a table that exists does not change its flags. */
  readonly fault?: string
  /** It is as it should be, but does not belong to this socket: whether it may, the kernel says. */
  readonly mustClaim: boolean
}

/** @param portId Of the socket that is to own the table. */
export function ownershipOf({ family, name, flags = [], owner }: ListedTable, wanted: TableOwner | undefined, portId: number): Ownership {
  const listed = (['owner', 'persist'] as const).filter((flag) => flags.includes(flag)).join(', ')
  const isOrphan = wanted === 'persistent' && listed === 'persist'
  if (isOrphan || listed === flagsOf(wanted).flags?.join(', ')) return { mustClaim: isOrphan || owner !== portId }
  if (listed === '' && wanted === undefined) return { mustClaim: false }
  return { fault: `table ${family} ${name} has ${listed === '' ? 'no owner' : `flags ${listed}`}`, mustClaim: false }
}

/** Takes a table over that persists without an owner (nf_tables_updtable); refused with `EPERM` where it has another one. */
export function claimStep(family: AddressFamily, name: string, owner: TableOwner): Step {
  return { bytes: 100, queue: (tx) => tx.add.table({ family, name, ...flagsOf(owner) }) }
}
