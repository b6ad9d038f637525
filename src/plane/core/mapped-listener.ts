/**
 * What a plane commits, as somebody who follows it is to see it.
 */
import type { Services } from '../model.js'
import type { ServiceChange } from './changes/change.js'
import type { ChangeListener } from './listener.js'

/** What stands for services. */
export interface ServiceMapping {
  readonly changes: (changes: readonly ServiceChange[]) => readonly ServiceChange[]
  readonly services: (services: Services) => Services
}

/** Lets a listener see something else in the place of services. */
export function mappedListener(listener: ChangeListener, { changes: mapped, services: mappedAll }: ServiceMapping): ChangeListener {
  return {
    before: (changes) => listener.before(changes),
    done: () => listener.done(),
    after: (changes) => listener.after(mapped(changes)),
    reset: (services, changes) => listener.reset(mappedAll(services), mapped(changes)),
    nodeAddressesChanged: (services) => listener.nodeAddressesChanged(mappedAll(services)),
    status: () => listener.status(),
    close: (cleanup) => listener.close(cleanup)
  }
}
