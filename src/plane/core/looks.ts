/**
 * When a call looks what another process did.
 */
import type { Backend } from './backend.js'

/**
 * Whether the kernel is compared on the account of a call. Where it can tell that it was changed, it refuses changes by itself; where it cannot, whoever says what the whole is has to look.
 *
 * @param isIdle Nothing is asked of the kernel that it could refuse.
 * @param isWhole The call says what the whole is.
 */
export async function mustLook(backend: Pick<Backend, 'hasChanged'>, isIdle: boolean, isWhole: boolean): Promise<boolean> {
  if (!isIdle && !isWhole) return false
  const hasChanged = await backend.hasChanged()
  return hasChanged === undefined ? isWhole : hasChanged && isIdle
}
