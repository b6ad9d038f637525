/**
 * Several who follow what a plane commits, as one.
 */
import type { Services } from '../model.js'
import type { PlaneStatus } from '../types.js'
import type { ServiceChange } from './changes/change.js'
import type { ChangeListener } from './listener.js'

/** Tells each of them, in their order. */
class Listeners implements ChangeListener {
  readonly #all: readonly ChangeListener[]

  constructor(all: readonly ChangeListener[]) {
    this.#all = all
  }

  async before(changes: readonly ServiceChange[]): Promise<void> {
    for (const listener of this.#all) await listener.before(changes)
  }

  done(): void {
    for (const listener of this.#all) listener.done()
  }

  after(changes: readonly ServiceChange[]): void {
    for (const listener of this.#all) listener.after(changes)
  }

  reset(services: Services, changes: readonly ServiceChange[]): void {
    for (const listener of this.#all) listener.reset(services, changes)
  }

  nodeAddressesChanged(services: Services): void {
    for (const listener of this.#all) listener.nodeAddressesChanged(services)
  }

  status(): PlaneStatus['flows'] {
    return this.#all.map((listener) => listener.status()).find((status) => status !== undefined)
  }

  async close(cleanup: boolean): Promise<void> {
    for (const listener of this.#all) await listener.close(cleanup)
  }
}

/** One listener for all that are there; undefined: none is. */
export function listenersOf(all: readonly (ChangeListener | undefined)[]): ChangeListener | undefined {
  const present = all.filter((listener) => listener !== undefined)
  return present.length < 2 ? present[0] : new Listeners(present)
}
