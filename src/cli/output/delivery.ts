/**
 * Whether what a command writes arrives.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { CommandEnvironment, OutputStream } from '../environment.js'

/** Output did not arrive. */
export interface Loss {
  readonly stream: 'standard output' | 'standard error'
  readonly error: NodeJS.ErrnoException
}

/** What is known of the output of a command. */
export interface Delivery extends Disposable {
  /** Is fulfilled with the first output that is lost, when that is found. */
  readonly lost: Promise<Loss>
  /** Waits until all that was written has arrived. Gives the first output that was lost. */
  flush(): Promise<Loss | undefined>
}

/** Whether a reader went away. That is no error: `netplane show | head`. */
export function isReaderGone({ error }: Loss): boolean {
  return error.code === 'EPIPE'
}

/** A write of nothing is done after all others. Where nothing waits there is none: a full device would refuse it, too. */
async function emptied(stream: OutputStream): Promise<void> {
  if ((stream.writableLength ?? 0) > 0) await new Promise<void>((resolve) => stream.write('', () => resolve()))
}

/** Looks at standard output and standard error until it is disposed of. */
export function watchDelivery({ stdout, stderr }: Pick<CommandEnvironment, 'stdout' | 'stderr'>): Delivery {
  let first: Loss | undefined
  let tell: (loss: Loss) => void = () => undefined
  const lost = new Promise<Loss>((resolve) => (tell = resolve))
  const listenerOf = (stream: Loss['stream']) => (error: Error) => {
    first ??= { stream, error }
    tell(first)
  }
  const listeners = [
    [stdout, listenerOf('standard output')],
    [stderr, listenerOf('standard error')]
  ] as const
  for (const [stream, listener] of listeners) stream.on('error', listener)
  return {
    lost,
    flush: async () => {
      await Promise.all([emptied(stdout), emptied(stderr)])
      // A stream tells of a write that failed in a later turn.
      await turn()
      return first
    },
    [Symbol.dispose]: () => {
      for (const [stream, listener] of listeners) stream.off('error', listener)
    }
  }
}
