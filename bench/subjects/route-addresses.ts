import type { Subject } from '../frame/subject.js'

export interface RouteAddressesOptions {
  readonly addresses: number
}

/** 10.96.0.0 */
const firstAddress = 0x0a60_0000

/** `count` addresses with full prefix, as text. */
export const addressList = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${[24, 16, 8, 0].map((shift) => ((firstAddress + index) >>> shift) & 255).join('.')}/32`)

/** Adds addresses to the loopback device in one call. */
export const routeAddresses: Subject<RouteAddressesOptions> = async ({ Route }, netns, { addresses }) => {
  const route = await Route.open({ netns })
  const list = addressList(addresses)
  return {
    work: async () => {
      await route.addAddresses('lo', list)
    },
    close: () => route.close()
  }
}
