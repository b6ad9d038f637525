/**
 * Options that every client takes, checked, in the native side's form.
 */
import type { NativeNamespace, NativeOpenOptions } from '../native/index.js'
import { requireOptions } from './checks.js'
import { ValidationError } from './errors.js'

/** Options of every call. */
export interface CallOptions {
  /** Cancels what has not been handed to the kernel yet; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * Milliseconds until the promise rejects with `ERR_NETPLANE_DEADLINE`: then it is unknown whether the kernel did what was asked, and the client refuses
   * further calls until the job has returned. Default: the client's.
   */
  readonly deadlineMs?: number | undefined
}

/** How one object is added. */
export interface AddOptions extends CallOptions {
  /** What is there already is as good, whatever its settings are. Default false. */
  readonly ensure?: boolean | undefined
}

/** How one object is removed. */
export interface RemoveOptions extends CallOptions {
  /** What does not exist counts as removed. Default false. */
  readonly ensure?: boolean | undefined
}

/** The option `ensure`, checked. @throws {ValidationError} */
export function requireEnsure(options: AddOptions | RemoveOptions): boolean {
  const ensure: unknown = requireOptions(options).ensure ?? false
  if (typeof ensure === 'boolean') return ensure
  throw new ValidationError('options.ensure', ensure, 'true or false')
}

/** The key under which a client says where it works. */
export const networkNamespace: unique symbol = Symbol('netplane.networkNamespace')

/** What works in one network namespace: any open client or plane of this package. */
export interface InNetworkNamespace {
  /** Of use inside the package only. */
  readonly [networkNamespace]: unknown
}

/** Where a client works, in the native side's form; undefined: in the process's own namespace. */
export function namespaceOf(place: InNetworkNamespace): NativeNamespace | undefined {
  return place[networkNamespace] as NativeNamespace | undefined
}

/** Options of every `open`. */
export interface OpenOptions extends CallOptions {
  /**
   * The network namespace to work in: a path (`/proc/42/ns/net`), a name of one path component (as `ip netns` has it, in `/run/netns`), the id of a process in it, or
   * an open client: the namespace that one works in. Entering one needs CAP_SYS_ADMIN. Default: the process's own.
   *
   * A path, a name and a process id are looked up once, by `open`: what the client opens later (monitors, settings) is in the same namespace, even if they stand for
   * another one by then.
   */
  readonly netns?: string | number | InNetworkNamespace | undefined
  /** Send buffer in bytes, 4096–1073741824; default 1 MiB. It grows when a message needs more, as far as the kernel permits. */
  readonly sendBufferBytes?: number | undefined
  /** Receive buffer in bytes, 4096–1073741824; default 1 MiB. What does not fit is lost: replies of large batches, events of a monitor. */
  readonly receiveBufferBytes?: number | undefined
}

/** Default deadline of a call. */
export const DEFAULT_DEADLINE_MS = 60_000
const MAX_DEADLINE_MS = 86_400_000
const MIN_BUFFER_BYTES = 4096
const MAX_BUFFER_BYTES = 2 ** 30

/** The path of a network namespace, or an open one, from what a caller may say. */
export function resolveNamespace(netns: unknown): string | NativeNamespace | undefined {
  if (typeof netns === 'object' && netns !== null && networkNamespace in netns) return namespaceOf(netns)
  if (netns === undefined) return undefined
  if (typeof netns === 'number' && Number.isInteger(netns) && netns > 0) return `/proc/${netns}/ns/net`
  if (typeof netns === 'string' && netns !== '' && !netns.includes('\0') && netns !== '.' && netns !== '..')
    return netns.includes('/') ? netns : `/run/netns/${netns}`
  throw new ValidationError('netns', netns, 'a path, a name in /run/netns, a process id, or an open client')
}

/** Checks a deadline; `fallback` where none is given. */
export function resolveDeadline(deadlineMs: unknown, fallback: number): number {
  if (deadlineMs === undefined) return fallback
  if (typeof deadlineMs === 'number' && deadlineMs > 0 && deadlineMs <= MAX_DEADLINE_MS) return deadlineMs
  throw new ValidationError('deadlineMs', deadlineMs, `more than 0 and at most ${MAX_DEADLINE_MS} milliseconds`)
}

function resolveBuffer(path: string, bytes: unknown): number | undefined {
  if (bytes === undefined) return undefined
  if (typeof bytes === 'number' && Number.isInteger(bytes) && bytes >= MIN_BUFFER_BYTES && bytes <= MAX_BUFFER_BYTES) return bytes
  throw new ValidationError(path, bytes, `an integer from ${MIN_BUFFER_BYTES} to ${MAX_BUFFER_BYTES}`)
}

const NAMESPACE = 'network namespace '

/** A namespace in words, for an error. */
export function describeNamespace(netns: NativeOpenOptions['netns']): string | undefined {
  return typeof netns === 'string' ? `${NAMESPACE}${netns}` : undefined
}

/** The path of a namespace from what {@link describeNamespace} made of it; undefined: these words are of something else. */
export function describedNamespace(words: string | undefined): string | undefined {
  return words?.startsWith(NAMESPACE) === true ? words.slice(NAMESPACE.length) : undefined
}

/** Checks the options of an `open` and brings them into the native form. */
export function nativeOpenOptions(options: OpenOptions): NativeOpenOptions {
  requireOptions(options)
  const netns = resolveNamespace(options.netns)
  const sendBufferBytes = resolveBuffer('sendBufferBytes', options.sendBufferBytes)
  const receiveBufferBytes = resolveBuffer('receiveBufferBytes', options.receiveBufferBytes)
  return {
    deadlineMs: resolveDeadline(options.deadlineMs, DEFAULT_DEADLINE_MS),
    ...(netns === undefined ? {} : { netns }),
    ...(sendBufferBytes === undefined ? {} : { sendBufferBytes }),
    ...(receiveBufferBytes === undefined ? {} : { receiveBufferBytes })
  }
}
