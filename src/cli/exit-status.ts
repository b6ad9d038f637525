/**
 * How the command line ends: the exit statuses, which docs/cli.md lists, and the one line that says what went wrong.
 */
import { NetlinkError, NetplaneError, printable, UnsupportedError, ValidationError } from '../core/errors.js'
import { describedNamespace } from '../core/options.js'
import { CommandError, SignalError, STATUS } from './errors.js'
import { inWordsOfCommand } from './words.js'

/** Errnos that mean: not with these rights. */
const NOT_PERMITTED = new Set(['EPERM', 'EACCES'])

/** What can be said of a way to end. */
export interface Ending {
  readonly status: number
  /** Lines for standard error, without the name of the program. */
  readonly lines: readonly string[]
}

/** Errnos with which a path is refused that is none of a network namespace. */
const NO_NAMESPACE = new Set(['ENOENT', 'ENOTDIR', 'EINVAL'])

/** What `--netns` names where it names no network namespace. */
export function missingNamespace(error: unknown): string | undefined {
  const isOfOpening = error instanceof NetlinkError && error.operation.endsWith('.open') && NO_NAMESPACE.has(error.code)
  return isOfOpening ? describedNamespace(error.subject) : undefined
}

/** The error that others are only wrapped around: a transaction fails because of its first refusal. */
function statusOf(error: unknown): number {
  if (error instanceof CommandError) return error.status
  if (error instanceof ValidationError || missingNamespace(error) !== undefined) return STATUS.usage
  if (error instanceof UnsupportedError) return STATUS.unsupported
  if (error instanceof NetlinkError || error instanceof NetplaneError)
    return NOT_PERMITTED.has(error.code) ? STATUS.notPermitted : STATUS.kernel
  return STATUS.internal
}

/** What of the command line became a field of a call. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  ...{ address: 'the address', port: 'the port', name: '--name', netns: '--netns' },
  ...{ from: '--from', protocol: '--protocol', direction: '--direction', interface: '--interface' }
}

/** Names what was written on the command line, and not the field that it became. */
function inOwnWords(error: unknown): unknown {
  const place = missingNamespace(error)
  if (place !== undefined) return new CommandError(STATUS.usage, `--netns: ${place} is no network namespace`)
  if (!(error instanceof ValidationError)) return error
  const written = ARGUMENTS[error.path.replace(/^(?:request|options)\./, '')]
  return written === undefined ? error : new ValidationError(written, error.value, error.allowed)
}

/** An error on one line; the stack follows where it was asked for. */
function describe(thrown: unknown): string {
  const error = inOwnWords(thrown)
  const message = inWordsOfCommand(error instanceof Error ? error.message : String(error))
  return message.split('\n').map(printable).join('\n  ')
}

/**
 * How a command ends that threw.
 *
 * @param withStack Whether stacks are shown (`NETPLANE_DEBUG=1`). Errors that nobody expected always have one.
 * @param signal Of the command. Where it was ended, what it threw tells how far it had come.
 */
export function endingOf(error: unknown, withStack: boolean, signal?: AbortSignal): Ending {
  const reason: unknown = signal?.aborted === true ? signal.reason : undefined
  const isEnded = reason instanceof SignalError
  const status = isEnded ? reason.status : statusOf(error)
  const lines = [isEnded && reason !== error ? `${reason.message}: ${describe(error)}` : describe(error)]
  const isStackWanted = withStack || status === STATUS.internal
  if (isStackWanted && error instanceof Error) lines.push(...stackOf(error))
  return { status, lines }
}

function stackOf(error: Error): string[] {
  const own = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '))
  if (!(error.cause instanceof Error)) return own
  return [...own, `  caused by ${printable(error.cause.message)}`, ...stackOf(error.cause)]
}
