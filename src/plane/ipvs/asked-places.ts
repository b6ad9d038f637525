/**
 * Where services were asked for: what is there is ours, though nothing else in the kernel should say so.
 */
import type { ServiceChange } from '../core/changes/change.js'
import type { Service } from '../model.js'
import type { AddressCounts } from './address-counts.js'
import type { VirtualServices } from './compile.js'
import { placeOf } from './inspect.js'

/** Places, until the kernel is known to hold nothing of ours there. */
export class AskedPlaces implements Iterable<string> {
  readonly #virtual: VirtualServices
  #places = new Set<string>()

  constructor(virtual: VirtualServices) {
    this.#virtual = virtual
  }

  /** Puts these in place of all that are known. */
  become(places: Iterable<string>): void {
    this.#places = new Set(places)
  }

  /** Changes are about to be made. */
  add(changes: readonly ServiceChange[]): void {
    for (const { after } of changes) for (const place of this.#placesOf(after)) this.#places.add(place)
  }

  /**
   * Changes were made: where no service is any more, others may have virtual services from now on.
   *
   * @param changes Those that were asked for.
   * @param kept Those of them that stay; of the others everything is as it was.
   * @param needed Addresses of the services that there are now.
   */
  settle(changes: readonly ServiceChange[], kept: readonly ServiceChange[], needed: Pick<AddressCounts, 'has'>): void {
    const stay = new Set(kept)
    const held = new Set<string>()
    for (const change of changes) for (const place of this.#placesOf(stay.has(change) ? change.after : change.before)) held.add(place)
    for (const { before, after } of changes)
      for (const place of [...this.#placesOf(before), ...this.#placesOf(after)])
        if (!held.has(place) && !needed.has(place)) this.#places.delete(place)
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#places.values()
  }

  #placesOf(service: Service | undefined): string[] {
    return service === undefined ? [] : this.#virtual.of(service).map(placeOf)
  }
}
