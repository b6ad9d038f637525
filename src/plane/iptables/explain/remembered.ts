/**
 * Which clients the lists of the match `recent` have: /proc/net/xt_recent, a file for each list (recent_seq_show in net/netfilter/xt_recent.c).
 */
import { readFile } from 'node:fs/promises'
import { canonicalAddress } from '../../../core/address.js'
import { ENOENT } from '../../../core/errno.js'
import { failureError } from '../../../core/failures.js'
import { loadAddon, type NativeNamespace } from '../../../native/index.js'

/** Reads a list; undefined: there is none of that name. */
export type ReadList = (name: string) => Promise<string | undefined>

/** Reads lists of the kernel, in a network namespace; undefined: the process's own. */
function kernelLists(netns: NativeNamespace | undefined): ReadList {
  return async (list) => {
    const name = `xt_recent/${list}`
    const outcome = await loadAddon().readNetworkFile({ ...(netns === undefined ? {} : { netns }), name })
    if (outcome.failure === undefined) return outcome.value
    if (outcome.failure.errno === ENOENT) return undefined
    throw failureError(outcome.failure, { operation: 'plane.explain', subject: `/proc/net/${name}` })
  }
}

/** The clock of such stamps. */
export interface Jiffies {
  readonly now: number
  readonly perSecond: number
}

/** What is read of clients that are remembered. */
export interface RecentFiles {
  readonly readList: ReadList
  /** Undefined: the kernel does not show its clock. */
  readonly readClock: () => Promise<Jiffies | undefined>
}

/** HZ of kernel/Kconfig.hz. */
const FREQUENCIES = [100, 250, 300, 1000]

/** Jiffies begin 300 seconds before they have more than 32 bits (INITIAL_JIFFIES in linux/jiffies.h). */
const WRAP = 2 ** 32
const WRAP_SECONDS = 300

/** How far the two clocks may be apart, in seconds. */
const MAX_APART = 2

/** Reads the clock out of /proc/timer_list, whose two clocks tell how often it ticks; undefined where that is not certain, as around the time at which jiffies get more bits. */
export function jiffiesIn(timers: string): Jiffies | undefined {
  const [, nanoseconds] = /^now at (\d+) nsecs$/m.exec(timers) ?? []
  const [, ticks] = /^jiffies: (\d+)$/m.exec(timers) ?? []
  if (nanoseconds === undefined || ticks === undefined) return undefined
  const [seconds, now] = [Number(nanoseconds) / 1e9 - WRAP_SECONDS, Number(ticks)]
  const fitting = FREQUENCIES.filter((perSecond) => Math.abs((now - WRAP) / perSecond - seconds) < MAX_APART)
  return fitting.length === 1 ? { now, perSecond: fitting[0]! } : undefined
}

/** The kernel's clock. Containers often do not see it, and neither do others than root. */
async function readKernelClock(): Promise<Jiffies | undefined> {
  return jiffiesIn(await readFile('/proc/timer_list', 'latin1').catch(() => ''))
}

/** Files of the kernel. */
export function kernelRecentFiles(netns: NativeNamespace | undefined): RecentFiles {
  return { readList: kernelLists(netns), readClock: readKernelClock }
}

/** Of a fake kernel, in which no packet has come by. */
export const NO_RECENT_FILES: RecentFiles = { readList: () => Promise.resolve(undefined), readClock: () => Promise.resolve(undefined) }

const CLIENT = /^src=(\S+) .*?last_seen: (\d+)/

/** Milliseconds for which lists still remember a client, by their names; undefined: it is not known for how long. */
export type Remembering = ReadonlyMap<string, number | undefined>

/** What is left of a time; undefined: nobody knows. */
function leftOf(seconds: number | undefined, seen: number, clock: Jiffies | undefined): number | undefined {
  return seconds === undefined || clock === undefined ? undefined : Math.round((seconds - (clock.now - seen) / clock.perSecond) * 1000)
}

/** Which of some lists remember a client. One whose time is over stays in its list until the kernel looks for it. @param lists With the seconds for which they remember. */
export async function listsWith(
  client: string | undefined,
  lists: ReadonlyMap<string, number | undefined>,
  { readList, readClock }: RecentFiles
): Promise<Remembering> {
  const found = new Map<string, number | undefined>()
  if (client === undefined) return found
  let clock: Promise<Jiffies | undefined> | undefined
  for (const [name, seconds] of lists) {
    for (const line of (await readList(name))?.split('\n') ?? []) {
      const [, address, seen] = CLIENT.exec(line) ?? []
      if (address === undefined || canonicalAddress(address) !== client) continue
      const leftMs = leftOf(seconds, Number(seen), await (clock ??= readClock()))
      if (leftMs === undefined || leftMs > 0) found.set(name, leftMs)
    }
  }
  return found
}
