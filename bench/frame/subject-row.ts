import { openSubject, type OptionsOf, type SubjectName } from '../subjects/index.js'
import type { Bench, Recording } from './bench.js'
import type { Contender, Contenders, Place, Row } from './row.js'
import { median } from './statistics.js'

/** A program that does the same work. */
export interface Peer {
  /** Its command line, run inside the namespace. */
  readonly command: (files: (name: string, content: string) => string, place: Place) => readonly string[]
  /** Runs on the state that the subject's set-up makes. */
  readonly afterSetup: boolean
}

/** A row whose three sides do the same work: a subject, the replay of what it sent, and programs. */
export interface SubjectRowOptions<Name extends SubjectName> extends Omit<Row, 'prepare'> {
  readonly unit: 'ms' | 'µs'
  readonly subject: Name
  readonly options: OptionsOf<Name>
  /** How often the work is repeated in a run (the median counts). Above 1 the work must leave the state as it found it. */
  readonly repeat: number
  /** Operations in one piece of work; the figures are for one operation. */
  readonly operations: number
  readonly peers: Readonly<Record<string, Peer>>
  /** Compares what we leave in the kernel with what the peer leaves; throws when they differ. */
  readonly verify?: (bench: Bench) => Promise<void>
  readonly notes?: (recording: Recording) => readonly string[]
  /** Makes the recorded work one that another kernel state answers alike; default: as it is. */
  readonly replayable?: (work: Buffer) => Buffer
}

const unitsPerMs = { ms: 1, µs: 1000 } as const

/** Builds the row. */
export function subjectRow<Name extends SubjectName>(given: SubjectRowOptions<Name>): Row {
  const { subject, options, repeat, operations, peers, verify, notes, replayable, ...row } = given
  const scale = unitsPerMs[given.unit] / operations
  const ours =
    (bench: Bench): Contender =>
    async (place) => {
      const session = await openSubject(subject, bench.netplane, place.path, options)
      try {
        const times: number[] = []
        for (let done = 0; done < repeat; done += 1) {
          const start = performance.now()
          await session.work()
          times.push(performance.now() - start)
        }
        return median(times) * scale
      } finally {
        await session.close()
      }
    }
  const peerContender =
    (bench: Bench, recording: Recording, peer: Peer): Contender =>
    async (place) => {
      if (peer.afterSetup) await bench.replay(place, { setup: recording.setup, work: '-' }, 0)
      return (await bench.timed(place, peer.command(bench.file, place))) * unitsPerMs[given.unit]
    }
  const prepare = async (bench: Bench): Promise<Contenders> => {
    await verify?.(bench)
    const recording = await bench.record(subject, options, replayable)
    return {
      ours: ours(bench),
      floor: async (place) => median(await bench.replay(place, recording, repeat)) * scale,
      peers: Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, peerContender(bench, recording, peer)])),
      ...(notes && { notes: () => notes(recording) })
    }
  }
  return { ...row, prepare }
}
