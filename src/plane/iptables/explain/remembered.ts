/**
 * Which clients the lists of the match `recent` have: /proc/net/xt_recent, a file for each list (recent_seq_show in net/netfilter/xt_recent.c).
 */
import { canonicalAddress } from '../../../core/address.js'
import { ENOENT } from '../../../core/errno.js'
import { failureError } from '../../../core/failures.js'
import { loadAddon, type NativeNamespace } from '../../../native/index.js'

/** Reads a list; undefined: there is none of that name. */
export type ReadList = (name: string) => Promise<string | undefined>

/** Reads lists of the kernel, in a network namespace; undefined: the process's own. */
export function kernelLists(netns: NativeNamespace | undefined): ReadList {
  return async (list) => {
    const name = `xt_recent/${list}`
    const outcome = await loadAddon().readNetworkFile({ ...(netns === undefined ? {} : { netns }), name })
    if (outcome.failure === undefined) return outcome.value
    if (outcome.failure.errno === ENOENT) return undefined
    throw failureError(outcome.failure, { operation: 'plane.explain', subject: `/proc/net/${name}` })
  }
}

/** Of a fake kernel, in which no packet has come by. */
export const NO_LISTS: ReadList = () => Promise.resolve(undefined)

const CLIENT = /^src=(\S+) /

/** Which of some lists have a client. One whose time is over is in its list until the kernel looks for it. */
export async function listsWith(client: string | undefined, names: Iterable<string>, read: ReadList): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  if (client === undefined) return found
  for (const name of names) {
    const lines = (await read(name))?.split('\n') ?? []
    const clients = lines.flatMap((line) => CLIENT.exec(line)?.[1] ?? [])
    if (clients.some((address) => canonicalAddress(address) === client)) found.add(name)
  }
  return found
}
