/**
 * What the thread of the plane and the threads that carry connections say to each other.
 */
import type { RelayEnding } from '../types.js'

/** To a thread that carries connections. */
export type ToThread =
  /** Both descriptors belong to the thread of the plane, which closes them when it is told that the pair is closed: the other thread opens duplicates. */
  | {
      readonly type: 'carry'
      readonly id: number
      readonly client: number
      readonly endpoint: number
      readonly header: Uint8Array | undefined
    }
  | { readonly type: 'end'; readonly id: number; readonly ending: RelayEnding }

/** Bytes of a pair since they were told last. */
export interface Counted {
  readonly id: number
  readonly fromClient: number
  readonly toClient: number
}

/** From such a thread. */
export type FromThread =
  | { readonly type: 'ready' }
  /** It has no descriptors for the pair, and has not touched it. */
  | { readonly type: 'declined'; readonly id: number }
  | { readonly type: 'counted'; readonly pairs: readonly Counted[] }
  | ({ readonly type: 'closed'; readonly ending: RelayEnding } & Counted)
