/**
 * Who follows what a plane commits.
 */
import type { Services } from '../model.js'
import type { PlaneStatus } from '../types.js'
import type { ServiceChange } from './changes/change.js'

/** Told about every change, in the order in which they are made. */
export interface ChangeListener {
  /** Changes are about to be applied; the plane waits. {@link ChangeListener.done} follows in any case. */
  before(changes: readonly ServiceChange[]): Promise<void>
  /** The attempt that `before` announced has ended, well or not. */
  done(): void
  /** Changes are in the kernel. */
  after(changes: readonly ServiceChange[]): void
  /**
   * The kernel holds exactly these services, and it is not known what it held before.
   *
   * @param changes What has changed since the last call here.
   */
  reset(services: Services, changes: readonly ServiceChange[]): void
  /** The addresses at which ports of this node are served have changed, and the kernel holds it. */
  nodeAddressesChanged(services: Services): void
  /** What was done about flows; undefined: it is another listener's business. */
  status(): PlaneStatus['flows']
  /** Ends what is under way. @param cleanup Everything that is ours has been removed from the kernel. */
  close(cleanup: boolean): Promise<void>
}

/** What a plane's status says about flows: nothing where nobody looks after them. */
export function flowsOf(listener: ChangeListener | undefined): Pick<PlaneStatus, 'flows'> {
  const flows = listener?.status()
  return flows === undefined ? {} : { flows }
}

/** Lets a listener know before and after work on changes. */
export async function announced<T>(
  listener: ChangeListener | undefined,
  changes: readonly ServiceChange[],
  work: () => Promise<T>
): Promise<T> {
  await listener?.before(changes)
  try {
    return await work()
  } finally {
    listener?.done()
  }
}
