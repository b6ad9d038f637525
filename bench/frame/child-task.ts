import type { SubjectName } from '../subjects/index.js'

/** What the child process is to do with a subject. */
export type ChildTask = { readonly netns: string; readonly subject: SubjectName; readonly options: object } & (
  { readonly kind: 'record'; readonly recording: string } | { readonly kind: 'measure'; readonly turns: boolean }
)

/** What a fresh process cost. */
export interface ChildReport {
  /** Wall-clock time of the work, the first this process does. */
  readonly milliseconds: number
  /** Longest slice of the main thread, thread processor time; 0 where turns are not watched. */
  readonly longestSliceMs: number
  /** All of the main thread's processor time during the work. */
  readonly mainThreadMs: number
  /** Greatest resident size during the work less the one before it. */
  readonly residentGrowthBytes: number
  /** What lies on the heap and in array buffers after the work, garbage collected, beyond what was there before: kept by the subject. */
  readonly keptBytes: number
  /** The same before the work, beyond what was there before the subject was set up: the caller's own data, mostly. */
  readonly givenBytes: number
  /** What the subject found out (its session's `figures`). */
  readonly figures: Readonly<Record<string, number>>
}

/** The child's only argument, as JSON. */
export interface ChildArguments {
  readonly root: string
  readonly threadClock: string
  readonly task: ChildTask
}
