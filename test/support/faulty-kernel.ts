/**
 * Fakes between whose steps anything may happen: another process changes something, the kernel refuses, a reply is lost.
 */
import { readOperations } from '../../src/nftables/wire/operation.js'
import type { RigKernel } from './plane-rigs.js'

/**
 * What happens at one step.
 *
 * - `refuse`: nothing is done.
 * - `lose`: it is done, and the reply is lost.
 * - `slow`: it is done after so many milliseconds. `late`: it is done at once, and the reply comes so much later.
 * - `refuse-element`: a commit is refused because of one of the elements that it adds; where it adds none, it is done.
 */
export type Fault =
  | { readonly type: 'refuse' | 'lose'; readonly errno: number }
  | { readonly type: 'slow' | 'late'; readonly ms: number }
  | { readonly type: 'refuse-element'; readonly errno: number; readonly pick: (count: number) => number }
  | undefined

/**
 * Asked before each request to the kernel; may change the kernel meanwhile.
 *
 * @param bytes Of a commit, about.
 */
export type Injector = (operation: string, bytes: number) => Promise<Fault> | Fault

const READS = new Set(['generation', 'list', 'getLink', 'listLinks', 'listAddresses'])
const METHODS = new Set([...READS, 'commit', 'change', 'changeLink', 'changeAddresses', 'beginBatch'])

function failure(operation: string, errno: number, outcomeUnknown: boolean): { readonly failure: object } {
  return { failure: { errno, operation, message: 'injected', outcomeUnknown } }
}

/** What a commit answers when it failed. */
function commitFailure(errno: number, outcomeUnknown: boolean): object {
  return { ...REFUSED, ...failure('commit', errno, outcomeUnknown) }
}

const REFUSED = { applied: false, generation: 0, errors: [], echoes: [], bytes: 0, systemCalls: 1 }

/** What a batch holds. */
interface Queued {
  operations: number
  bytes: number
  /** The operations that add elements, and how many each. */
  readonly added: { readonly index: number; readonly rows: number }[]
}

/** What a commit answers that was refused because of one element; undefined where it adds none. */
function elementRefusal({ added }: Queued, errno: number, pick: (count: number) => number): object | undefined {
  if (added.length === 0) return undefined
  const { index, rows } = added[pick(added.length)]!
  return { ...REFUSED, errors: [{ index, errno, message: 'injected', field: '', row: pick(rows) }] }
}

const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms))

/** Bytes of what is added to a batch, about: an object, or the columns of elements. */
function bytesOf(columns: unknown): number {
  if (typeof columns !== 'object' || columns === null || !('key' in columns)) return 200
  return 100 + 3 * (columns.key as Uint8Array).length
}

/** Makes one request, or does not. */
async function request(name: string, fault: Fault, queued: Queued, call: () => unknown): Promise<unknown> {
  const isCommit = name === 'commit'
  if (fault?.type === 'refuse') return isCommit ? commitFailure(fault.errno, false) : failure(name, fault.errno, false)
  const refusal = fault?.type === 'refuse-element' ? elementRefusal(queued, fault.errno, fault.pick) : undefined
  if (refusal !== undefined) return refusal
  if (fault?.type === 'slow') await pause(fault.ms)
  const outcome = await call()
  if (fault?.type === 'late') await pause(fault.ms)
  if (fault?.type !== 'lose') return outcome
  if (isCommit) return commitFailure(fault.errno, true)
  const { value } = outcome as { readonly value?: object }
  const lost = failure(name, fault.errno, !READS.has(name))
  if (READS.has(name) || value === undefined || !('unknownFrom' in value)) return lost
  // A batch says itself which of its rows nobody knows of.
  return { value: { ...value, unknownFrom: 0, errors: { rows: 0 }, stopped: lost.failure } }
}

function wrapSocket<T extends object>(socket: T, inject: Injector): T {
  const queued: Queued = { operations: 0, bytes: 0, added: [] }
  return new Proxy(socket, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      const call = member.bind(target) as (...args: unknown[]) => unknown
      if (name === 'add' || name === 'addElements') {
        return (...args: unknown[]) => {
          const columns = name === 'addElements' ? args[1] : undefined
          for (const { verb } of readOperations(args[0] as Uint8Array)) {
            queued.bytes += bytesOf(columns)
            if (columns !== undefined && verb === 'add') {
              const { rows } = columns as { readonly rows: number }
              if (rows > 0) queued.added.push({ index: queued.operations, rows })
            }
            queued.operations++
          }
          return call(...args)
        }
      }
      if (typeof name !== 'string' || !METHODS.has(name)) return call
      if (name === 'beginBatch') return () => wrapSocket(call() as object, inject)
      return async (...args: unknown[]) => await request(name, await inject(name, queued.bytes), queued, () => call(...args))
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
