/**
 * A userspace plane on fakes: of the kernel, and of relays.
 */
import { onTestFinished } from 'vitest'
import { Broadcast } from '../../../../src/core/events/broadcast.js'
import type { Plane, PlaneEvent, Service } from '../../../../src/index.js'
import { takeServices, takeUpdate } from '../../../../src/plane/core/changes/desired.js'
import { checkSyncOptions } from '../../../../src/plane/core/options.js'
import { ServicePlane } from '../../../../src/plane/core/plane.js'
import { openUserspaceBackend } from '../../../../src/plane/userspace/backend.js'
import { checkUserspaceOptions, type UserspacePlaneOptions } from '../../../../src/plane/userspace/options.js'
import type { RelayEvent } from '../../../../src/plane/userspace/relays/types.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'
import { FakeRelays } from '../../../support/fake-relays.js'
import { faulty, type Injector } from '../../../support/faulty-kernel.js'

/** Services by their names. */
export const named = (...services: Service[]): Map<string, Service> => new Map(services.map((entry) => [entry.name, entry]))

export interface Scene {
  readonly plane: ScenePlane
  /** The same, as those have it that switch planes. */
  readonly inner: ServicePlane
  readonly relays: FakeRelays
  readonly kernel: FakeNftablesKernel
  readonly tell: (event: RelayEvent) => void
  readonly events: PlaneEvent[]
}

type ScenePlane = Omit<Plane, 'switchTo' | typeof Symbol.asyncDispose>

/** Takes services and updates as `openPlane` does, for a plane that is not switched. */
function taking(plane: ServicePlane): ScenePlane {
  return {
    plan: async (services) => await plane.plan(takeServices(services)),
    sync: async (services, options = {}) => await plane.sync(takeServices(services), checkSyncOptions(options)),
    update: async (update, options = {}) => await plane.update(takeUpdate(update), checkSyncOptions(options)),
    explain: (request) => plane.explain(request),
    watch: (options) => plane.watch(options),
    counters: () => plane.counters(),
    status: () => plane.status(),
    close: (options) => plane.close(options)
  }
}

interface SceneOptions extends UserspacePlaneOptions {
  readonly inject?: Injector
  readonly on?: FakeNftablesKernel
}

/** Opens a plane that is closed when the test ends. */
export async function scene({ inject, on = new FakeNftablesKernel(), ...options }: SceneOptions = {}): Promise<Scene> {
  const others = { ipvs: new FakeIpvsKernel(), route: new FakeRouteKernel() }
  const { nftables } = inject === undefined ? { nftables: on } : faulty({ nftables: on, ...others }, inject)
  const settings = checkUserspaceOptions({ ...options, kernel: { nftables } })
  const events = new Broadcast<PlaneEvent>()
  const relays = new FakeRelays()
  let tell: (event: RelayEvent) => void = () => undefined
  const backend = await openUserspaceBackend(
    settings,
    (event) => events.push(event),
    (_, teller) => {
      tell = teller
      return relays
    }
  )
  const inner = new ServicePlane({ backend, auditMs: options.auditMs ?? 0, events, ownAddresses: () => Promise.resolve([]) })
  const plane = taking(inner)
  onTestFinished(() => plane.close())
  const seen: PlaneEvent[] = []
  void (async () => {
    for await (const event of plane.watch()) seen.push(event)
  })()
  return { plane, inner, relays, kernel: on, tell: (event) => tell(event), events: seen }
}

/** Fields of a key, or of data. */
const textOf = (fields: unknown): string => (Array.isArray(fields) ? fields : [fields]).join()

/** What leads to relays, a line for each element. */
export async function leads(kernel: FakeNftablesKernel): Promise<string[]> {
  await using nft = await kernel.open()
  const { elements } = await nft.list({ elements: true })
  return elements
    .filter(({ set }) => set.name.includes('relay'))
    .flatMap((listed) =>
      [...listed].map(({ key, data }) =>
        `${listed.set.family} ${listed.set.name} ${textOf(key)} ${data === undefined ? '' : textOf(data)}`.trim()
      )
    )
    .sort()
}
