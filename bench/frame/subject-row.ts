import { readFileSync } from 'node:fs'
import path from 'node:path'
import { openSubject, type OptionsOf, type SubjectName } from '../subjects/index.js'
import type { Bench, Recording } from './bench.js'
import type { Netplane } from './netplane.js'
import type { Contender, Contenders, Place, Row } from './row.js'
import { median } from './statistics.js'
import type { Session } from './subject.js'

/** A program that does the same work. */
export interface ProgramPeer {
  /** Its command line, run inside the namespace. */
  readonly command: (files: (name: string, content: string) => string, place: Place) => readonly string[]
  /** Runs on the state that the subject's set-up makes. */
  readonly afterSetup: boolean
}

/** The recorded work, sent from C in another way. */
export interface ReplayPeer {
  readonly replay: (work: Buffer) => Buffer
}

/** Another subject with the same options, which does the same work in another way. */
export interface SubjectPeer<Options> {
  readonly open: (netplane: Netplane, netns: string, options: Options) => Promise<Session>
}

/** Who does the same work. */
export type Peer<Options> = ProgramPeer | ReplayPeer | SubjectPeer<Options>

/** A row whose three sides do the same work: a subject, the replay of what it sent, and programs. */
export interface SubjectRowOptions<Name extends SubjectName> extends Omit<Row, 'prepare'> {
  readonly unit: 'ms' | 'µs'
  readonly subject: Name
  readonly options: OptionsOf<Name>
  /** How often the work is repeated in a run (the median counts). Above 1 the work must leave the state as it found it. */
  readonly repeat: number
  /** Operations in one piece of work; the figures are for one operation. */
  readonly operations: number
  readonly peers: Readonly<Record<string, Peer<OptionsOf<Name>>>>
  /** Compares what we leave in the kernel with what the peer leaves; throws when they differ. */
  readonly verify?: (bench: Bench) => Promise<void>
  readonly notes?: (recording: Recording) => readonly string[]
  /** Makes the recorded work one that another kernel state answers alike; default: as it is. */
  readonly replayable?: (work: Buffer) => Buffer
}

const unitsPerMs = { ms: 1, µs: 1000 } as const

/** The median of the milliseconds that a session's work takes, so many times. */
export async function timeSession(open: () => Promise<Session>, repeat: number): Promise<number> {
  const session = await open()
  try {
    const times: number[] = []
    for (let done = 0; done < repeat; done += 1) {
      const start = performance.now()
      await session.work()
      times.push(performance.now() - start)
    }
    return median(times)
  } finally {
    await session.close()
  }
}

/** What a row is measured by whose work cannot be sent again: a subject, and perhaps others that do a part of it. */
export interface SessionRowOptions<Name extends SubjectName> extends Omit<Row, 'prepare'> {
  readonly subject: Name
  readonly options: OptionsOf<Name>
  readonly repeat: number
  readonly peers?: Readonly<Record<string, SubjectPeer<OptionsOf<Name>>>>
}

/** Builds a row without a floor. */
export function sessionRow<Name extends SubjectName>(given: SessionRowOptions<Name>): Row {
  const { subject, options, repeat, peers = {}, ...row } = given
  const prepare = ({ netplane }: Bench): Promise<Contenders> => {
    const timed =
      (open: (netns: string) => Promise<Session>): Contender =>
      ({ path }) =>
        timeSession(() => open(path), repeat)
    return Promise.resolve({
      ours: timed((netns) => openSubject(subject, netplane, netns, options)),
      peers: Object.fromEntries(Object.entries(peers).map(([name, { open }]) => [name, timed((netns) => open(netplane, netns, options))]))
    })
  }
  return { ...row, prepare }
}

/** Builds the row. */
export function subjectRow<Name extends SubjectName>(given: SubjectRowOptions<Name>): Row {
  const { subject, options, repeat, operations, peers, verify, notes, replayable, ...row } = given
  const scale = unitsPerMs[given.unit] / operations
  const inProcess =
    (open: (netns: string) => Promise<Session>): Contender =>
    async (place) =>
      (await timeSession(() => open(place.path), repeat)) * scale
  const replayed =
    (bench: Bench, recording: Pick<Recording, 'setup' | 'work'>): Contender =>
    async (place) =>
      median(await bench.replay(place, recording, repeat)) * scale
  const peerContender = (bench: Bench, recording: Recording, peer: Peer<OptionsOf<Name>>): Contender => {
    if ('open' in peer) return inProcess((netns) => peer.open(bench.netplane, netns, options))
    if ('replay' in peer) {
      const work = bench.file(`${path.basename(recording.work)}-peer`, peer.replay(readFileSync(recording.work)))
      return replayed(bench, { setup: recording.setup, work })
    }
    return async (place) => {
      if (peer.afterSetup) await bench.replay(place, { setup: recording.setup, work: '-' }, 0)
      return (await bench.timed(place, peer.command(bench.file, place))) * unitsPerMs[given.unit]
    }
  }
  const prepare = async (bench: Bench): Promise<Contenders> => {
    await verify?.(bench)
    const recording = await bench.record(subject, options, replayable)
    return {
      ours: inProcess((netns) => openSubject(subject, bench.netplane, netns, options)),
      floor: replayed(bench, recording),
      peers: Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, peerContender(bench, recording, peer)])),
      ...(notes && { notes: () => notes(recording) })
    }
  }
  return { ...row, prepare }
}
