/**
 * What stands beside IPVS once services are adopted: all of them, or those that IPVS did not refuse.
 */
import type { Refusal } from '../core/backend.js'
import { addressesOf, keysOf, minus, union, type ElementKeys, type Elements } from './elements.js'
import type { IpvsInspection } from './inspect.js'

/** What an adoption or a change leads to. */
export interface Outcome {
  /** Elements and addresses that were not there before. */
  readonly added: ElementKeys
  readonly addedAddresses: readonly string[]
  /** Elements and addresses that no service needs any more. */
  readonly removed: ElementKeys
  readonly removedAddresses: readonly string[]
  readonly refusals: readonly Refusal[]
}

/** Where nothing is refused: as the inspection says. */
export function wholeOutcome({ mustRebuild, difference, elements }: IpvsInspection): Outcome {
  return {
    added: mustRebuild ? keysOf(elements) : difference.missing,
    addedAddresses: difference.missingAddresses,
    removed: mustRebuild ? new Map() : difference.foreign,
    removedAddresses: difference.foreignAddresses,
    refusals: []
  }
}

/** What must be there in addition, and what must go, when other services are held than were asked for. */
export interface OtherOutcome extends Outcome {
  /** What those need that were put back. */
  readonly putBack: ElementKeys
  readonly putBackAddresses: readonly string[]
}

/** Where services were refused: those that are held need other elements. */
export function otherOutcome(seen: IpvsInspection, held: Elements, refusals: readonly Refusal[]): OtherOutcome {
  const whole = wholeOutcome(seen)
  const wanted = keysOf(seen.elements)
  const present = seen.mustRebuild ? wanted : union(seen.companion.elements, wanted)
  const needed = keysOf(held)
  const putBack = minus(needed, present)
  const presentAddresses = new Set([...(seen.device?.addresses ?? []), ...addressesOf(wanted)])
  const neededAddresses = new Set(addressesOf(needed))
  const putBackAddresses = [...neededAddresses].filter((address) => !presentAddresses.has(address))
  return {
    added: union(whole.added, putBack),
    addedAddresses: [...whole.addedAddresses, ...putBackAddresses],
    removed: minus(present, needed),
    removedAddresses: [...presentAddresses].filter((address) => !neededAddresses.has(address)),
    refusals,
    putBack,
    putBackAddresses
  }
}
