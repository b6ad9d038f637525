import type { Netplane } from './netplane.js'

/** Work on state that was made before. */
export interface Session {
  /** What is timed. */
  work(): Promise<void>
  /** Closes the clients. */
  close(): Promise<void>
  /** What the work found out, by name, where its time does not say it. */
  readonly figures?: () => Readonly<Record<string, number>>
}

/**
 * One piece of work for the library: makes everything that is not timed (client, tables, the caller's data) in the namespace at the path.
 * The same subject is run in the bench's own process, recorded for the floor, and run in a fresh process to measure that.
 */
export type Subject<Options extends object> = (netplane: Netplane, netns: string, options: Options) => Promise<Session>
