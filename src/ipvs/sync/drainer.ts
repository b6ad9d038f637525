/**
 * Steps of draining, one after the other, in the background.
 */
import { requireInteger, requireOptions } from '../../core/checks.js'
import { asNetplaneError } from '../../core/errors.js'
import type { Drains } from './drains.js'
import type { Drainer, DrainerOptions, DrainReport } from './types.js'

const DEFAULT_INTERVAL_MS = 1000
const MIN_INTERVAL_MS = 10
const MAX_INTERVAL_MS = 3_600_000

/**
 * Starts it.
 *
 * @param step Does one step.
 * @throws {ValidationError}
 */
export function openDrainer(drains: Drains, step: () => Promise<DrainReport>, options: DrainerOptions): Drainer {
  const { intervalMs = DEFAULT_INTERVAL_MS, signal, ref = true } = requireOptions(options)
  requireInteger('intervalMs', intervalMs, MIN_INTERVAL_MS, MAX_INTERVAL_MS)
  signal?.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  let isEnded = false
  /** The process waits for what drains, not for what may come to drain some day. */
  const hold = (): void => {
    if (ref && !drains.isEmpty) timer?.ref()
    else timer?.unref()
  }
  const forget = drains.onChange(hold)
  const stream = drains.open(signal, () => {
    isEnded = true
    forget()
    clearTimeout(timer)
  })
  const turn = async (): Promise<void> => {
    try {
      if (!drains.isEmpty) await step()
    } catch (error) {
      stream.push({ type: 'error', error: asNetplaneError(error, `ipvs.drain: ${error instanceof Error ? error.message : String(error)}`) })
    }
    schedule()
  }
  const schedule = (): void => {
    if (isEnded) return
    timer = setTimeout(() => void turn(), intervalMs)
    hold()
  }
  schedule()
  return stream
}
