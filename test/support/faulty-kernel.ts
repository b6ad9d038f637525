/**
 * Fakes between whose steps anything may happen: another process changes something, the kernel refuses, a reply is lost.
 */
import type { RigKernel } from './plane-rigs.js'

/** What happens at one step. `refuse`: nothing is done. `lose`: it is done, and the reply is lost. */
export type Fault = { readonly type: 'refuse' | 'lose'; readonly errno: number } | undefined

/**
 * Asked before each request to the kernel; may change the kernel meanwhile.
 *
 * @param bytes Of a commit, about.
 */
export type Injector = (operation: string, bytes: number) => Promise<Fault> | Fault

const READS = new Set(['generation', 'list', 'getLink', 'listLinks', 'listAddresses'])
const METHODS = new Set([...READS, 'commit', 'change', 'changeLink', 'changeAddresses', 'beginBatch'])

function failure(operation: string, errno: number, outcomeUnknown: boolean): object {
  return { failure: { errno, operation, message: 'injected', outcomeUnknown } }
}

/** What a commit answers when it failed. */
function commitFailure(errno: number, outcomeUnknown: boolean): object {
  return { applied: false, generation: 0, errors: [], echoes: [], bytes: 0, systemCalls: 1, ...failure('commit', errno, outcomeUnknown) }
}

/** Bytes of what is added to a batch, about: an object, or the columns of elements. */
function bytesOf(columns: unknown): number {
  if (typeof columns !== 'object' || columns === null || !('key' in columns)) return 200
  return 100 + 3 * (columns.key as Uint8Array).length
}

function wrapSocket<T extends object>(socket: T, inject: Injector): T {
  let bytes = 0
  return new Proxy(socket, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      const call = member.bind(target) as (...args: unknown[]) => unknown
      if (name === 'add' || name === 'addElements') {
        return (...args: unknown[]) => {
          bytes += bytesOf(args[3])
          return call(...args)
        }
      }
      if (typeof name !== 'string' || !METHODS.has(name)) return call
      if (name === 'beginBatch') return () => wrapSocket(call() as object, inject)
      return async (...args: unknown[]) => {
        const isDone = await inject(name, bytes)
        if (isDone?.type === 'refuse') return name === 'commit' ? commitFailure(isDone.errno, false) : failure(name, isDone.errno, false)
        const outcome = await call(...args)
        if (isDone === undefined) return outcome
        return name === 'commit' ? commitFailure(isDone.errno, true) : failure(name, isDone.errno, !READS.has(name))
      }
    }
  })
}

function wrapKernel<T extends object>(kernel: T, inject: Injector): T {
  return new Proxy(kernel, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      const call = member.bind(target) as (...args: unknown[]) => unknown
      if (!['openNftables', 'openIpvs', 'openRoute'].includes(String(name))) return call
      return async (...args: unknown[]) => {
        const outcome = (await call(...args)) as { readonly value?: object }
        return outcome.value === undefined ? outcome : { value: wrapSocket(outcome.value, inject) }
      }
    }
  })
}

/** The same fakes, seen through an injector. */
export function faulty({ nftables, ipvs, route }: RigKernel, inject: Injector): RigKernel {
  return { nftables: wrapKernel(nftables, inject), ipvs: wrapKernel(ipvs, inject), route: wrapKernel(route, inject) }
}
