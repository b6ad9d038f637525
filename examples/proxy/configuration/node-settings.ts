import { writeFile } from 'node:fs/promises'
import { Conntrack, type ConntrackSettings } from 'netplane'
import type { ConntrackLimits } from './translate.js'

/** What became of a setting of this node. */
export interface SettingOutcome {
  /** `maxEntries`, `oomScoreAdj` … */
  readonly setting: string
  readonly wanted: number | boolean
  /** What was there; undefined where this kernel has no such setting. */
  readonly before?: number | boolean | undefined
  readonly outcome: 'written' | 'kept' | 'failed'
  readonly reason?: string | undefined
}

/** Reads and writes settings of connection tracking, as {@link Conntrack} does. */
export type ConntrackSettingsClient = Pick<Conntrack, 'readSettings' | 'writeSettings'>

/** How many flows a bucket of the hash table has where it is full, as kube-proxy wants it. */
const FLOWS_PER_BUCKET = 4

type Wanted = Partial<ConntrackSettings>

function withBuckets(limits: ConntrackLimits): Wanted {
  return limits.maxEntries === undefined ? limits : { ...limits, buckets: Math.floor(limits.maxEntries / FLOWS_PER_BUCKET) }
}

/** Sizes, which are raised and never lowered: others on this node may need more. */
const SIZES: ReadonlySet<keyof ConntrackSettings> = new Set(['maxEntries', 'buckets'])

function isKept(setting: keyof ConntrackSettings, before: number | boolean | undefined, wanted: number | boolean): boolean {
  if (before === undefined) return false
  return SIZES.has(setting) ? Number(before) >= Number(wanted) : before === wanted
}

/**
 * Writes settings of connection tracking: time-outs as they are wanted, as kube-proxy does, which the kernel may have longer; sizes alone are never lowered. Each stands for itself: one that cannot be written
 * (in a namespace that is not the initial one, or where /proc/sys is read-only) keeps none of the others from being written.
 */
export async function writeConntrackSettings(client: ConntrackSettingsClient, limits: ConntrackLimits): Promise<SettingOutcome[]> {
  const outcomes: SettingOutcome[] = []
  for (const [setting, wanted] of Object.entries(withBuckets(limits)) as [keyof ConntrackSettings, number | boolean][]) {
    try {
      const before = (await client.readSettings([setting]))[setting]
      if (isKept(setting, before, wanted)) {
        outcomes.push({ setting, wanted, before, outcome: 'kept' })
        continue
      }
      await client.writeSettings({ [setting]: wanted })
      outcomes.push({ setting, wanted, before, outcome: 'written' })
    } catch (error) {
      outcomes.push({ setting, wanted, outcome: 'failed', reason: (error as Error).message })
    }
  }
  return outcomes
}

/** Writes how ready the kernel is to end this process when memory is short, -1000 (never) to 1000. @param path Another file, for tests. */
export async function writeOomScore(wanted: number, path = '/proc/self/oom_score_adj'): Promise<SettingOutcome> {
  const setting = 'oomScoreAdj'
  try {
    await writeFile(path, String(wanted))
    return { setting, wanted, outcome: 'written' }
  } catch (error) {
    return { setting, wanted, outcome: 'failed', reason: (error as Error).message }
  }
}

/** Brings this node's settings to what is configured. Nothing is thrown: what cannot be had is told. @param netns The network namespace of the services. */
export async function applyNodeSettings(
  { conntrack: limits, oomScoreAdj }: { readonly conntrack: ConntrackLimits; readonly oomScoreAdj: number },
  netns: string | number | undefined
): Promise<SettingOutcome[]> {
  const score = await writeOomScore(oomScoreAdj)
  try {
    await using client = await Conntrack.open({ netns })
    return [score, ...(await writeConntrackSettings(client, limits))]
  } catch (error) {
    return [score, { setting: 'conntrack', wanted: true, outcome: 'failed', reason: (error as Error).message }]
  }
}
