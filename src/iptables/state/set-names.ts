/**
 * Asks for the names of sets of ipset, over a socket of its own that is opened when it is needed.
 */
import { UnsupportedError } from '../../core/errors.js'
import type { CallOptions, InNetworkNamespace } from '../../core/options.js'
import { SetNames } from '../../ipset/index.js'
import type { SetNames as KnownSets } from '../extensions/extension.js'

/** Asks for names and indices of sets. */
export class SetResolver {
  readonly #place: InNetworkNamespace
  #opened: Promise<SetNames> | undefined

  constructor(place: InNetworkNamespace) {
    this.#place = place
  }

  /** @throws {UnsupportedError} The kernel has no ipset. */
  async resolve(sets: readonly (string | number)[], options: CallOptions): Promise<KnownSets> {
    this.#opened ??= SetNames.open({ netns: this.#place })
    return await (await this.#opened).resolve(sets, options)
  }

  /** As {@link SetResolver.resolve}; undefined where the kernel cannot be asked, so that sets are shown by index. */
  async resolveIfPossible(sets: readonly (string | number)[], options: CallOptions): Promise<KnownSets | undefined> {
    try {
      return sets.length === 0 ? undefined : await this.resolve(sets, options)
    } catch (error) {
      if (error instanceof UnsupportedError) return undefined
      throw error
    }
  }

  /** Closes the socket, if there is one. */
  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await (await opened)?.close()
  }
}
