/**
 * Putting back what is committed, whatever the kernel holds.
 */
import { asFailure, type Applied, type Backend, type Inspection, type Refusal } from './backend.js'
import type { ServiceChange } from './changes/change.js'
import type { Registry } from './changes/registry.js'
import { removalsOf } from './progress.js'
import { repairRun, type Run } from './run.js'
import { MAX_TRIES } from './tries.js'

/** What a repair did. */
export interface Repaired {
  readonly applied: Applied
  /** Removals of services that were refused when they were written again. */
  readonly gone: readonly ServiceChange[]
  readonly refused: readonly Refusal[]
}

/**
 * Makes the kernel hold the committed services, but for those that it refuses: they are gone.
 *
 * @param found What the kernel holds.
 * @param call The call on whose account it is; absent: nobody's.
 */
export async function repair(
  { backend, registry }: { readonly backend: Backend; readonly registry: Registry },
  found: Inspection,
  call: Run | undefined
): Promise<Repaired> {
  let seen = found
  let gone: readonly ServiceChange[] = []
  let refused: readonly Refusal[] = []
  const leave = (refusals: readonly Refusal[]): void => {
    gone = [...gone, ...removalsOf(refusals, gone, registry.services)]
    refused = [...refused, ...refusals]
  }
  const run = repairRun(registry.services, call)
  for (let tries = 1; ; tries++) {
    try {
      const applied = await backend.adopt(registry.after(gone), seen, run)
      leave(applied.withdrawn ?? [])
      await registry.accept(gone)
      return { applied, gone, refused }
    } catch (error) {
      const { kind, refusals } = asFailure(error)
      if (kind === 'final' || tries === MAX_TRIES) throw error
      if (kind === 'refused') {
        const before = gone.length
        leave(refusals)
        if (gone.length === before) throw error
      } else run.retries++
      seen = await backend.inspect(registry.after(gone))
    }
  }
}
