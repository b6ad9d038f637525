/**
 * What a process left of a plane when it ended: tables in the kernel. Its relays are gone.
 */
import type { Backend } from '../core/backend.js'
import { openUserspaceBackend } from './backend.js'
import { checkUserspaceOptions, type UserspacePlaneOptions } from './options.js'

/**
 * Opens it in any network namespace: where its relays were does not matter any more.
 *
 * @throws {ValidationError} An option is malformed.
 * @throws {NetplaneError}
 */
export async function openLeftTables({ netns, ...options }: UserspacePlaneOptions): Promise<Backend> {
  const settings = checkUserspaceOptions(options)
  return await openUserspaceBackend({ ...settings, client: { ...settings.client, netns } }, () => undefined)
}
