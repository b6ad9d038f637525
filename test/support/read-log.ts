/**
 * A kernel that notes of which sets elements were read, and how many rules.
 */
import { fakeOf, type FakeKernel } from '../../src/core/open.js'
import { loadAddon, type NativeListing, type NativeNftablesSocket } from '../../src/native/index.js'

/** The kernel's own nf_tables, and what was read of it. */
export interface ReadLog {
  readonly kernel: FakeKernel<'nftables'>
  /** Names of sets whose elements were read, in order. */
  readonly sets: string[]
  /** How many rules each list had that asked for some, in order. */
  readonly rules: number[]
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

function loggedSocket(socket: NativeNftablesSocket, { sets, rules }: Omit<ReadLog, 'kernel'>): NativeNftablesSocket {
  return new Proxy(socket, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'list') return (...args: unknown[]): unknown => Reflect.apply(value, target, args)
      return async (request: Parameters<NativeNftablesSocket['list']>[0]) => {
        const outcome = await target.list(request)
        if (request.rules === true && outcome.failure === undefined) rules.push(outcome.value.counts.rules)
        return outcome.failure === undefined ? { value: logged(outcome.value, sets) } : outcome
      }
    }
  })
}

/** Notes what is read from now on. */
export function readLog(): ReadLog {
  const log = { sets: [], rules: [] }
  const native = loadAddon()
  const openNftables: typeof native.openNftables = async (options) => {
    const outcome = await native.openNftables(options)
    return outcome.failure === undefined ? { value: loggedSocket(outcome.value, log) } : outcome
  }
  return { kernel: fakeOf('nftables', { ...native, openNftables }), ...log }
}
