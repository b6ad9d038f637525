import type { Bench } from './bench.js'
import { median, medianRatio } from './statistics.js'

/** A network namespace that one run has for itself. */
export interface Place {
  readonly name: string
  /** `/run/netns/<name>`. */
  readonly path: string
}

/** One way of doing a row's work: does it once in a fresh namespace and returns how much it took, in the row's unit. */
export type Contender = (place: Place) => Promise<number>

/** What a row must reach; every part that is given must hold. */
export interface Bar {
  /** Greatest `ours / floor`. */
  readonly timesFloorAtMost?: number
  /** What may be added to that, in the row's unit: `ours <= timesFloorAtMost * floor + plusAtMost`. */
  readonly plusAtMost?: number
  /** Smallest `peer / ours`, by peer: how many times faster than it. */
  readonly fasterThanPeerAtLeast?: Readonly<Record<string, number>>
  /** Greatest `ours / peer`, by peer: how many times as long as a part of the same work. */
  readonly timesPeerAtMost?: Readonly<Record<string, number>>
  /** Greatest absolute value, in the row's unit. Only for what does not depend on the machine's speed alone. */
  readonly oursAtMost?: number
}

/** The contenders of a row, ready to be run in turn. */
export interface Contenders {
  readonly ours: Contender
  readonly floor?: Contender
  readonly peers: Readonly<Record<string, Contender>>
  /** Facts for the reader: sizes, what was left out. Asked for after the last round. */
  readonly notes?: () => readonly string[]
  /** Further values, each with its unit in its name: columns of the table in the place of the peers. Asked for after the last round. */
  readonly figures?: () => Readonly<Record<string, number>>
  /** Removes what `prepare` made; called once, also after a failure. */
  readonly close?: () => Promise<void>
}

/** What not every kernel has, and a machine of the lab that has it. */
export const labs = { ipvs: 'uml', 'ipvs and nftables': 'qemu-newest' } as const

/** One line of the table. */
export interface Row {
  readonly name: string
  readonly unit: string
  /** What is measured, one sentence. */
  readonly about: string
  readonly bar: Bar
  /** How often every contender runs, in turn. */
  readonly rounds: number
  /** Programs that the peers need. */
  readonly needs: readonly string[]
  /** What the kernel must have: kernels without it are left out, and the lab has others (`--lab`). */
  readonly requires?: keyof typeof labs
  /** True: it needs the servers of a Kubernetes API and kube-proxy (tools/cluster/build.mjs), which are built only for rows that are named. */
  readonly onApi?: boolean
  /** False: runs follow each other at once. For many short runs that leave the kernel nothing to clean up. */
  readonly rests?: boolean
  /** True: takes minutes, so it is run only where it is named. */
  readonly isLong?: boolean
  prepare(bench: Bench): Promise<Contenders>
}

/** A measured row, as `--json` prints it. */
export interface RowResult {
  readonly name: string
  readonly unit: string
  /** Median. */
  readonly ours: number
  /** Median; null where the row has no floor. */
  readonly floor: number | null
  /** Medians by name. */
  readonly peers: Readonly<Record<string, number>>
  /** `ours / floor`, median of the rounds. */
  readonly ratioToFloor: number | null
  /** `peer / ours`, median of the rounds: how many times faster ours is. */
  readonly ratioToPeers: Readonly<Record<string, number>>
  /** The bar in words. */
  readonly bar: string
  readonly met: boolean
  /** The first round of ours: the one that runs code not yet compiled. */
  readonly first: number
  readonly rounds: number
  readonly notes: readonly string[]
  /** Further values by the heading of their column; absent where the row has none. */
  readonly figures?: Readonly<Record<string, number>>
}

/** The values of every round. */
export interface Samples {
  readonly ours: readonly number[]
  readonly floor?: readonly number[]
  readonly peers: Readonly<Record<string, readonly number[]>>
}

/** The bar in words: `≤ 1.5 × floor, ≥ 8 × faster than nft -f`. */
export function barText(bar: Bar, unit: string): string {
  const parts = Object.entries(bar.fasterThanPeerAtLeast ?? {}).map(([peer, times]) => `≥ ${times} × faster than ${peer}`)
  for (const [peer, times] of Object.entries(bar.timesPeerAtMost ?? {})) parts.push(`≤ ${times} × ${peer}`)
  const plus = bar.plusAtMost === undefined ? '' : ` + ${bar.plusAtMost} ${unit}`
  if (bar.timesFloorAtMost !== undefined) parts.unshift(`≤ ${bar.timesFloorAtMost} × floor${plus}`)
  if (bar.oursAtMost !== undefined) parts.unshift(`≤ ${bar.oursAtMost} ${unit}`)
  if (parts.length === 0) throw new TypeError('a row without a bar shows nothing')
  return parts.join(', ')
}

/** Makes a row's result of its samples. Throws where the bar speaks of a contender that was not measured. */
export function judge(row: Pick<Row, 'name' | 'unit' | 'bar'>, samples: Samples, notes: readonly string[]): RowResult {
  const ours = median(samples.ours)
  const ratioToFloor = samples.floor === undefined ? null : medianRatio(samples.ours, samples.floor)
  const ratioToPeers = Object.fromEntries(Object.entries(samples.peers).map(([peer, values]) => [peer, medianRatio(values, samples.ours)]))
  const { timesFloorAtMost, plusAtMost, oursAtMost, fasterThanPeerAtLeast = {}, timesPeerAtMost = {} } = row.bar
  if (timesFloorAtMost !== undefined && ratioToFloor === null) throw new TypeError(`${row.name}: the bar needs a floor`)
  const leastRatios = [
    ...Object.entries(fasterThanPeerAtLeast),
    ...Object.entries(timesPeerAtMost).map(([peer, times]) => [peer, 1 / times] as const)
  ]
  const behind = leastRatios.filter(([peer, times]) => {
    const ratio = ratioToPeers[peer]
    if (ratio === undefined) throw new TypeError(`${row.name}: the bar needs the peer '${peer}'`)
    return ratio < times
  })
  const floor = samples.floor === undefined ? null : median(samples.floor)
  // With an allowance beside the factor, the medians are compared; a ratio alone is the median of the rounds' ratios.
  const isNearFloor =
    plusAtMost === undefined || timesFloorAtMost === undefined || floor === null
      ? (ratioToFloor ?? 0) <= (timesFloorAtMost ?? Infinity)
      : ours <= timesFloorAtMost * floor + plusAtMost
  const met = behind.length === 0 && isNearFloor && ours <= (oursAtMost ?? Infinity)
  return {
    name: row.name,
    unit: row.unit,
    ours,
    floor,
    peers: Object.fromEntries(Object.entries(samples.peers).map(([peer, values]) => [peer, median(values)])),
    ratioToFloor,
    ratioToPeers,
    bar: barText(row.bar, row.unit),
    met,
    first: samples.ours[0] ?? ours,
    rounds: samples.ours.length,
    notes
  }
}
