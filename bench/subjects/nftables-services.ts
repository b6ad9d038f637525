import { setTimeout as sleep } from 'node:timers/promises'
import type { Netplane } from '../frame/netplane.js'
import type { Subject } from '../frame/subject.js'
import {
  addServicesFrame,
  endpointColumns,
  endpointsMap,
  endpointsPerService,
  serviceColumns,
  servicesMap,
  type ServicesOptions
} from './services.js'

type Nftables = Awaited<ReturnType<Netplane['Nftables']['open']>>

/** After a load: the kernel finishes growing its hash tables in the background, and whoever lists meanwhile has to begin again. */
const restMs = 500

/** Makes the columns, which are the caller's, and returns what loads them. */
function loader(nftables: Nftables, options: ServicesOptions): () => Promise<void> {
  const services = serviceColumns(options.endpoints / endpointsPerService)
  const endpoints = endpointColumns(0, options.endpoints)
  return async () => {
    const tx = nftables.transaction()
    addServicesFrame(tx, options)
    tx.add.elements(endpointsMap, endpoints, { exclusive: true })
    tx.add.elements(servicesMap, services, { exclusive: true })
    await tx.commit()
  }
}

/** Loads an empty namespace: the caller has columns, the rest counts. */
export const nftablesLoad: Subject<ServicesOptions> = async ({ Nftables }, netns, options) => {
  const nftables = await Nftables.open({ netns })
  return { work: loader(nftables, options), close: () => nftables.close() }
}

/** How {@link nftablesUpdate} does it. */
export interface UpdateOptions extends Pick<ServicesOptions, 'endpoints'> {
  /** Whether the thread waits for each commit. */
  readonly waits: boolean
}

/** On loaded maps: moves one endpoint to another address and back, two commits. */
export const nftablesUpdate: Subject<UpdateOptions> = async ({ Nftables }, netns, { endpoints, waits }) => {
  const nftables = await Nftables.open({ netns })
  await loader(nftables, { endpoints, sized: false })()
  await sleep(restMs)
  const slot = endpoints / 2
  const old = endpointColumns(slot, 1)
  const moved = endpointColumns(slot, 1, endpoints)
  const swap = async (from: typeof old, to: typeof old): Promise<void> => {
    const tx = nftables.transaction()
    tx.delete.elements(endpointsMap, from, { exclusive: true })
    tx.add.elements(endpointsMap, to, { exclusive: true })
    if (waits) tx.commitSync()
    else await tx.commit()
  }
  return {
    work: async () => {
      await swap(old, moved)
      await swap(moved, old)
    },
    close: () => nftables.close()
  }
}

/** How a listing is read. */
export interface ListOptions {
  readonly endpoints: number
  /** `columns`: as they come; `objects`: every element as an object, which its caller's loop makes. */
  readonly as: 'columns' | 'objects'
}

/** On loaded maps: lists the endpoints. */
export const nftablesList: Subject<ListOptions> = async ({ Nftables }, netns, { endpoints, as }) => {
  const nftables = await Nftables.open({ netns })
  await loader(nftables, { endpoints, sized: false })()
  await sleep(restMs)
  return {
    work: async () => {
      const listed = await nftables.listElements(endpointsMap)
      let count = 0
      if (as === 'objects') for (const { data } of listed) count += data === undefined ? 0 : 1
      else count = listed.rows
      if (count !== endpoints) throw new Error(`listed ${count} elements of ${endpoints}`)
    },
    close: () => nftables.close()
  }
}

/** Asks for the generation. */
export const nftablesGeneration: Subject<object> = async ({ Nftables }, netns) => {
  const nftables = await Nftables.open({ netns })
  return {
    work: async () => {
      await nftables.readGeneration()
    },
    close: () => nftables.close()
  }
}
