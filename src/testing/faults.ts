/**
 * Faults of a fake kernel: which of its calls go wrong, and how. All fakes have the same.
 */
import { requireFields, requireInteger, requireKnown } from '../core/checks.js'
import * as errnos from '../core/errno.js'
import { ValidationError } from '../core/errors.js'
import type { KernelPart } from '../core/open.js'
import type { NativeColumns, NativeFailure } from '../native/index.js'
import { refusalColumns } from './outcome.js'

/** Errnos with which a fake can be told to refuse a call. */
export type FaultCode =
  | 'EPERM'
  | 'ENOENT'
  | 'ESRCH'
  | 'EINTR'
  | 'EBADF'
  | 'ENOMEM'
  | 'EACCES'
  | 'EBUSY'
  | 'EEXIST'
  | 'ENODEV'
  | 'EINVAL'
  | 'ENFILE'
  | 'EMFILE'
  | 'EMLINK'
  | 'ETIME'
  | 'ERESTART'
  | 'EMSGSIZE'
  | 'EPROTONOSUPPORT'
  | 'EOPNOTSUPP'
  | 'EADDRNOTAVAIL'
  | 'ENETUNREACH'
  | 'ENOBUFS'
  | 'ETIMEDOUT'
  | 'EHOSTUNREACH'
  | 'ECANCELED'

const numbers: Readonly<Record<FaultCode, number>> = errnos
/** Without what else that file exports. */
const CODES = Object.fromEntries(Object.entries(numbers).filter(([, errno]) => typeof errno === 'number')) as typeof numbers

/**
 * Calls that reach a fake kernel, by the verbs of the clients and of transactions. What clients do within a call counts, too: `sync` lists and then changes. A call that
 * carries many objects (`addServices`) is one, unless it takes several system calls.
 */
export interface FaultCalls {
  /** `check`: a dry run. `get`: `getElements`. `read`: `readGeneration`. */
  readonly nftables: 'commit' | 'check' | 'list' | 'get' | 'read'
  /** `read`, `write`: time-outs, daemons and what `readInfo` gives. `start`, `stop`: daemons. */
  readonly ipvs: 'add' | 'update' | 'remove' | 'flush' | 'list' | 'read' | 'write' | 'zero' | 'start' | 'stop'
  /** Of flows and expectations alike. `list`: `iterate` and `count`, too. `read`, `write`: settings, statistics and usage. */
  readonly conntrack: 'add' | 'update' | 'remove' | 'flush' | 'list' | 'get' | 'read' | 'write'
  /** Of links and addresses alike. */
  readonly route: 'add' | 'update' | 'remove' | 'list' | 'get' | 'lookup'
}

/** What goes wrong with a call. */
export interface FaultOptions {
  /** The errno that the caller gets. Default: `ENOBUFS` where the reply is lost; else it must be given. */
  readonly code?: FaultCode | undefined
  /** Which call of this kind, counted from now on: 1 is the next. Default 1. */
  readonly at?: number | undefined
  /** How many of them, one after the other; `Infinity`: all, until the fault is removed. Default 1. */
  readonly times?: number | undefined
  /** `refused`: nothing is done, and every object of the call is refused. `lost`: it is done, and the reply is lost, so that the caller does not know. Default `refused`. */
  readonly reply?: 'refused' | 'lost' | undefined
}

/** A fault that was asked for. */
export interface Fault extends Disposable {
  /** How many calls it has met so far: a test that wants a fault should see that it came. */
  readonly met: number
  /** Takes it back; calls that it has not met yet go as usual. */
  remove(): void
}

interface Pending {
  readonly call: string
  readonly errno: number
  readonly isLost: boolean
  /** Calls that still pass before it. */
  waits: number
  left: number
  met: number
}

/** How a method of a socket is made to fail. */
export interface FaultyMethod {
  /** The kind of call that a request is. */
  readonly call: (request: never) => string
  /** How it answers: with an outcome, with a report on rows, or as a commit does. */
  readonly answers: 'outcome' | 'rows' | 'commit'
  /** Of `rows`: how many a request has. */
  readonly rows?: (request: never) => number
  /** Whether the thread waits for it: it answers at once, and with no promise. Never of `rows`. */
  readonly isHere?: boolean
}

/** The methods of a socket that can fail, by name; or those of what one gives. */
export type FaultyMethods = Readonly<Record<string, FaultyMethod | { readonly gives: FaultyMethods }>>

/** Methods that are always one kind of call, and answer with an outcome. */
export function outcomes(call: string, ...methods: readonly string[]): FaultyMethods {
  return Object.fromEntries(methods.map((method) => [method, { call: () => call, answers: 'outcome' }]))
}

/** The same of methods for which the thread waits. */
export function outcomesHere(call: string, ...methods: readonly string[]): FaultyMethods {
  return Object.fromEntries(methods.map((method) => [method, { call: () => call, answers: 'outcome', isHere: true }]))
}

const MESSAGE = 'a fault that was asked for'

function failureOf({ errno }: Pending, call: string, outcomeUnknown: boolean): NativeFailure {
  return { errno, operation: call, message: MESSAGE, outcomeUnknown }
}

const NOT_COMMITTED = { applied: false, generation: 0, errors: [], echoes: [], bytes: 0, systemCalls: 1 }
/** Calls whose loss leaves nothing unknown in the kernel. */
const READS: ReadonlySet<string> = new Set(['check', 'list', 'get', 'read', 'lookup'])

function refusedRows(count: number, errno: number): object {
  const errors: NativeColumns = refusalColumns(Array.from({ length: count }, (_, index) => ({ index, errno, message: MESSAGE })))
  return { value: { linkIndex: 0, errors, sent: count, unknownFrom: count, systemCalls: 1 } }
}

/** The faults of one fake kernel. */
export class Faults<Part extends KernelPart> {
  readonly #calls: readonly FaultCalls[Part][]
  readonly #pending = new Set<Pending>()

  constructor(calls: readonly FaultCalls[Part][]) {
    this.#calls = calls
  }

  /** Asks for one. @throws {ValidationError} */
  add(call: FaultCalls[Part], options: FaultOptions): Fault {
    if (!this.#calls.includes(call)) throw new ValidationError('call', call, this.#calls.join(', '))
    requireFields('options', options)
    requireKnown('options.', options, ['code', 'at', 'times', 'reply'])
    const { at = 1, times = 1, reply = 'refused', code = reply === 'lost' ? 'ENOBUFS' : undefined } = options
    if (!['refused', 'lost'].includes(reply)) throw new ValidationError('options.reply', reply, "'refused', 'lost'")
    if (code === undefined || !Object.hasOwn(CODES, code)) throw new ValidationError('options.code', code, Object.keys(CODES).join(', '))
    const left = times === Infinity ? times : requireInteger('options.times', times, 1, 2 ** 31)
    const waits = requireInteger('options.at', at, 1, 2 ** 31) - 1
    const pending: Pending = { call, errno: CODES[code], isLost: reply === 'lost', waits, left, met: 0 }
    this.#pending.add(pending)
    const remove = (): void => void this.#pending.delete(pending)
    return {
      get met() {
        return pending.met
      },
      remove,
      [Symbol.dispose]: remove
    }
  }

  /** A socket, or what one gives, seen through the faults. */
  wrap<T extends object>(target: T, methods: FaultyMethods): T {
    return new Proxy(target, {
      get: (_, name) => {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        const call = member.bind(target) as (request: unknown) => unknown
        const method = typeof name === 'string' && Object.hasOwn(methods, name) ? methods[name] : undefined
        if (method === undefined) return call
        if ('gives' in method) return () => this.wrap(call(undefined) as object, method.gives)
        return (request: unknown) => (method.isHere === true ? this.#runHere(method, request, call) : this.#run(method, request, call))
      }
    })
  }

  /** The first that is due; the others that wait for this kind of call come nearer, too. */
  #meet(call: string): Pending | undefined {
    let due: Pending | undefined
    for (const pending of this.#pending) {
      if (pending.call !== call) continue
      if (pending.waits > 0) pending.waits -= 1
      else due ??= pending
    }
    if (due === undefined) return undefined
    due.met += 1
    due.left -= 1
    if (due.left === 0) this.#pending.delete(due)
    return due
  }

  #runHere(method: FaultyMethod, request: unknown, start: (request: unknown) => unknown): unknown {
    const call = (method.call as (request: unknown) => string)(request)
    const fault = this.#meet(call)
    if (fault === undefined) return start(request)
    if (fault.isLost) start(request)
    return failed(failureOf(fault, call, fault.isLost && !READS.has(call)), method)
  }

  async #run(method: FaultyMethod, request: unknown, start: (request: unknown) => unknown): Promise<unknown> {
    const call = (method.call as (request: unknown) => string)(request)
    const fault = this.#meet(call)
    if (fault === undefined) return await start(request)
    const rows = method.answers === 'rows' ? (method.rows as (request: unknown) => number)(request) : 0
    return fault.isLost ? await lose(fault, call, method, () => start(request)) : await refuse(fault, call, method, rows)
  }
}

/** An answer that tells of a failure of the whole. */
function failed(failure: NativeFailure, { answers }: FaultyMethod): object {
  return answers === 'commit' ? { ...NOT_COMMITTED, failure } : { failure }
}

/** A turn of the event loop passes, as with any call. */
async function refuse(fault: Pending, call: string, method: FaultyMethod, rows: number): Promise<object> {
  await new Promise((resolve) => setImmediate(resolve))
  return method.answers === 'rows' ? refusedRows(rows, fault.errno) : failed(failureOf(fault, call, false), method)
}

async function lose(fault: Pending, call: string, method: FaultyMethod, start: () => unknown): Promise<object> {
  const outcome = (await start()) as { readonly value?: object | undefined }
  const failure = failureOf(fault, call, !READS.has(call))
  if (method.answers !== 'rows' || outcome.value === undefined) return failed(failure, method)
  // A report says itself which of its rows nobody knows of.
  return { value: { ...outcome.value, unknownFrom: 0, errors: refusalColumns([]), stopped: failure } }
}
