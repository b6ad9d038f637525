import type { Bench } from './bench.js'
import { refuseListeners } from './listeners.js'
import { settle } from './machine.js'
import { inFreshNamespace } from './namespaces.js'
import { judge, type Contender, type Contenders, type Row, type RowResult } from './row.js'

interface Lane {
  readonly run: Contender
  readonly values: number[]
}

const lane = (run: Contender): Lane => ({ run, values: [] })

/** Runs the contenders in turn, A B C A B C, each in a fresh namespace, on a machine at rest unless the row says otherwise. Returns how many runs began on a busy one. */
async function runRounds(lanes: readonly Lane[], rounds: number, rests: boolean): Promise<number> {
  let busyRuns = 0
  for (let round = 0; round < rounds; round += 1) {
    for (const { run, values } of lanes) {
      if (rests && !(await settle())) busyRuns += 1
      values.push(await inFreshNamespace(run))
    }
  }
  return busyRuns
}

async function measureContenders(row: Row, contenders: Contenders, rounds: number): Promise<RowResult> {
  const ours = lane(contenders.ours)
  const floor = contenders.floor === undefined ? undefined : lane(contenders.floor)
  const peers = Object.entries(contenders.peers).map(([name, run]) => ({ name, ...lane(run) }))
  const busyRuns = await runRounds([ours, ...(floor === undefined ? [] : [floor]), ...peers], rounds, row.rests ?? true)
  const notes = [...(contenders.notes?.() ?? [])]
  if (busyRuns > 0) notes.push(`${busyRuns} runs began while something else kept the machine busy`)
  const samples = { ours: ours.values, ...(floor && { floor: floor.values }) }
  const result = judge(row, { ...samples, peers: Object.fromEntries(peers.map(({ name, values }) => [name, values])) }, notes)
  return contenders.figures === undefined ? result : { ...result, figures: contenders.figures() }
}

/** Measures one row. Throws when a process listens to nf_tables before or after, as then the figures mean nothing. */
export async function measureRow(row: Row, bench: Bench, rounds: number): Promise<RowResult> {
  await refuseListeners()
  const contenders = await row.prepare(bench)
  try {
    const result = await measureContenders(row, contenders, rounds)
    await refuseListeners()
    return result
  } finally {
    await contenders.close?.()
  }
}
