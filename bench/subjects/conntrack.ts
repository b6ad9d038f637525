import type { Subject } from '../frame/subject.js'
import { createAll, nativeFilter, staleFilter, staleFlows } from './conntrack-flows.js'

/** How many flows there are, and how they are read. */
export interface ConntrackListOptions {
  readonly flows: number
  /** `columns`: as they come; `objects`: all of them at once; `iterate`: one after the other, few in memory. */
  readonly as: 'columns' | 'objects' | 'iterate'
  /** True: they are there already. */
  readonly isFilled?: boolean
}

function expectCount(found: number, expected: number): void {
  if (found !== expected) throw new Error(`${found} flows instead of ${expected}`)
}

/** On a full table: lists it. */
export const conntrackList: Subject<ConntrackListOptions> = async ({ Conntrack }, netns, { flows, as, isFilled = false }) => {
  const conntrack = await Conntrack.open({ netns, deadlineMs: 300_000 })
  if (!isFilled) await createAll(conntrack, flows)
  const ways = {
    columns: async () => (await conntrack.listColumns()).reduce((sum, { rows }) => sum + rows, 0),
    objects: async () => (await conntrack.list()).length,
    iterate: async () => {
      let count = 0
      for await (const { status } of conntrack.iterate()) count += status.length > 0 ? 1 : 0
      return count
    }
  }
  return {
    work: async () => {
      expectCount(await ways[as](), flows)
    },
    close: () => conntrack.close()
  }
}

/** How many flows there are, and who filters them. */
export interface ConntrackFilterOptions {
  readonly flows: number
  /** `kernel`: the kernel applies most of the filter; `native`: it can apply nothing. */
  readonly by: 'kernel' | 'native'
}

const filters = { kernel: staleFilter, native: nativeFilter }

/** On a full table: counts the flows of one endpoint of one service. */
export const conntrackCount: Subject<ConntrackFilterOptions> = async ({ Conntrack }, netns, { flows, by }) => {
  const conntrack = await Conntrack.open({ netns, deadlineMs: 300_000 })
  await createAll(conntrack, flows)
  return {
    work: async () => {
      expectCount(await conntrack.count({ filter: filters[by] }), staleFlows(flows))
    },
    close: () => conntrack.close()
  }
}

/** On a full table: removes the flows of one endpoint of one service. Once: they are gone then. */
export const conntrackDelete: Subject<ConntrackFilterOptions> = async ({ Conntrack }, netns, { flows, by }) => {
  const conntrack = await Conntrack.open({ netns, deadlineMs: 300_000 })
  await createAll(conntrack, flows)
  return {
    work: async () => {
      expectCount((await conntrack.removeWhere(filters[by])).removed, staleFlows(flows))
    },
    close: () => conntrack.close()
  }
}
