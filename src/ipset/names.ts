/**
 * Names of the sets of ipset: rules of xtables have sets by index, people have them by name.
 */
import { EINVAL, ENOENT, EOPNOTSUPP } from '../core/errno.js'
import { isText, requireInteger, toList } from '../core/checks.js'
import { UnsupportedError, ValidationError } from '../core/errors.js'
import { failureError } from '../core/failures.js'
import { JobQueue } from '../core/job-queue.js'
import { describeNamespace, nativeOpenOptions, type CallOptions, type OpenOptions } from '../core/options.js'
import { loadAddon, type NativeIpsetSocket, type NativeOutcome } from '../native/index.js'

/** IPSET_MAXNAMELEN - 1. */
const MAX_NAME = 31
/** IPSET_INVALID_ID, which is no set's. */
const NO_SET = 65535

/** Names and indices that were asked for, as they were then. */
export interface KnownSets {
  /** Undefined: there was no set of that name, or it was not asked for. */
  indexOf(name: string): number | undefined
  /** Undefined: there was no set of that index, or it was not asked for. */
  nameOf(index: number): string | undefined
}

const SINCE = 'Linux 4.20 or newer with CONFIG_IP_SET is needed (modprobe ip_set)'

/**
 * A client of ipset that only asks for names: IPSET_CMD_GET_BYNAME and IPSET_CMD_GET_BYINDEX (include/uapi/linux/netfilter/ipset/ip_set.h), since Linux 4.20. A set has
 * its index as long as it is there; another one may have it later. `ipset swap` exchanges what is in two sets: names and indices stay.
 */
export class SetNames {
  readonly #socket: NativeIpsetSocket
  readonly #queue: JobQueue

  private constructor(socket: NativeIpsetSocket, deadlineMs: number) {
    this.#socket = socket
    this.#queue = new JobQueue('the client of ipset', deadlineMs)
  }

  /**
   * Opens a socket.
   *
   * @throws {ValidationError} An option is malformed.
   * @throws {NetlinkError} `ENOENT`, `EINVAL`: no such network namespace; `EPERM`: it may not be entered.
   */
  static async open(options: OpenOptions = {}): Promise<SetNames> {
    const native = nativeOpenOptions(options)
    options.signal?.throwIfAborted()
    const outcome = await loadAddon().openIpset(native)
    if (outcome.failure === undefined) return new SetNames(outcome.value, native.deadlineMs)
    throw failureError(outcome.failure, { operation: 'ipset.open', subject: describeNamespace(native.netns) })
  }

  /**
   * The index of a set, 0–65534; undefined where there is none of that name.
   *
   * @param name 1–31 bytes.
   * @throws {ValidationError} No such name can be.
   * @throws {UnsupportedError} The kernel has no ipset, or one without this request.
   * @throws {NetlinkError} `EPERM` without CAP_NET_ADMIN.
   */
  async indexOf(name: string, options: CallOptions = {}): Promise<number | undefined> {
    if (!isText(name, MAX_NAME) || name === '') throw new ValidationError('name', name, `1 to ${MAX_NAME} bytes without NUL`)
    const find = (deadlineMs: number) => this.#socket.findIndex({ name, deadlineMs })
    return valueOf(await this.#queue.run('ipset.indexOf', options, find), 'ipset.indexOf', `set ${name}`)
  }

  /**
   * The name of a set; undefined where there is none of that index. Errors as those of {@link SetNames.indexOf}.
   *
   * @param index 0–65535; the last is no set's.
   */
  async nameOf(index: number, options: CallOptions = {}): Promise<string | undefined> {
    requireInteger('index', index, 0, NO_SET)
    if (index === NO_SET) return undefined
    const find = (deadlineMs: number) => this.#socket.findName({ index, deadlineMs })
    return valueOf(await this.#queue.run('ipset.nameOf', options, find), 'ipset.nameOf', `set of index ${index}`)
  }

  /**
   * Asks for several sets, each by its name or its index, so that they are known without waiting. Errors as those of {@link SetNames.indexOf}.
   *
   * @param sets May have sets more than once.
   */
  async resolve(sets: Iterable<string | number>, options: CallOptions = {}): Promise<KnownSets> {
    const indices = new Map<string, number>()
    const names = new Map<number, string>()
    const keep = (name: string | undefined, index: number | undefined): void => {
      if (name === undefined || index === undefined) return
      indices.set(name, index)
      names.set(index, name)
    }
    for (const set of new Set(toList('sets', sets))) {
      if (typeof set === 'number') keep(await this.nameOf(set, options), set)
      else keep(set, await this.indexOf(set, options))
    }
    return { indexOf: (name) => indices.get(name), nameOf: (index) => names.get(index) }
  }

  /** Refuses further calls, waits for those before, and closes the socket. May be called again. */
  async close(): Promise<void> {
    await this.#queue.close(() => this.#socket.close())
  }

  /** As {@link SetNames.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** The value of an outcome; undefined where there is no such set. */
function valueOf<Value>(outcome: NativeOutcome<Value>, operation: string, subject: string): Value | undefined {
  if (outcome.failure === undefined) return outcome.value
  const { errno } = outcome.failure
  if (errno === ENOENT) return undefined
  if (errno === EOPNOTSUPP || errno === EINVAL) throw new UnsupportedError('ipset', `this kernel does not tell names of sets: ${SINCE}`)
  throw failureError(outcome.failure, { operation, subject })
}
