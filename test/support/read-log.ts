/**
 * A kernel that notes of which sets elements were read.
 */
import { fakeOf, type FakeKernel } from '../../src/core/open.js'
import { loadAddon, type NativeListing, type NativeNftablesSocket } from '../../src/native/index.js'

/** The kernel's own nf_tables, and what was read of it. */
export interface ReadLog {
  readonly kernel: FakeKernel<'nftables'>
  /** Names of sets whose elements were read, in order. */
  readonly sets: string[]
}

function logged(listing: NativeListing, sets: string[]): NativeListing {
  return new Proxy(listing, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        const taken: unknown = Reflect.apply(value, target, args)
        if (name === 'takeElements') sets.push(...(taken as { readonly set: string }[]).map(({ set }) => set))
        return taken
      }
    }
  })
}

function loggedSocket(socket: NativeNftablesSocket, sets: string[]): NativeNftablesSocket {
  return new Proxy(socket, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'list') return (...args: unknown[]): unknown => Reflect.apply(value, target, args)
      return async (request: Parameters<NativeNftablesSocket['list']>[0]) => {
        const outcome = await target.list(request)
        return outcome.failure === undefined ? { value: logged(outcome.value, sets) } : outcome
      }
    }
  })
}

/** Notes what is read from now on. */
export function readLog(): ReadLog {
  const sets: string[] = []
  const native = loadAddon()
  const openNftables: typeof native.openNftables = async (options) => {
    const outcome = await native.openNftables(options)
    return outcome.failure === undefined ? { value: loggedSocket(outcome.value, sets) } : outcome
  }
  return { kernel: fakeOf('nftables', { ...native, openNftables }), sets }
}
