/**
 * Errors of the command line itself.
 */

/** The exit statuses. */
export const STATUS = {
  /** All is as it was asked for. */
  success: 0,
  /** The command did its work, and the answer is no: something is missing (`doctor`), or services are in quarantine (`plan`, `apply`), no packet came (`trace`), or connections are left (`drain`). */
  negative: 1,
  /** The command line or the file is wrong. Nothing was opened. */
  usage: 2,
  /** The kernel refused, or could not be read, or the answer could not be written. */
  kernel: 3,
  /** The kernel refused because the process lacks a capability. */
  notPermitted: 4,
  /** The kernel or this installation lacks what is needed. */
  unsupported: 5,
  /** An error of the program. */
  internal: 70,
  /** Ended by SIGHUP (128 + 1): the terminal went away. */
  hungUp: 129,
  /** Ended by SIGINT (128 + 2). */
  interrupted: 130,
  /** Ended by SIGQUIT (128 + 3). */
  quit: 131,
  /** Ended by SIGALRM (128 + 14). */
  alarmed: 142,
  /** Ended by SIGTERM (128 + 15). */
  terminated: 143
} as const

/** A command cannot go on. The message is for people. */
export class CommandError extends Error {
  /** One of {@link STATUS}. */
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.status = status
  }
}

const SIGNAL_STATUS = {
  SIGHUP: STATUS.hungUp,
  SIGINT: STATUS.interrupted,
  SIGQUIT: STATUS.quit,
  SIGALRM: STATUS.alarmed,
  SIGTERM: STATUS.terminated
} as const

/** Signals that end a command in order. */
export type EndingSignal = keyof typeof SIGNAL_STATUS

/** All of them. */
export const ENDING_SIGNALS = Object.keys(SIGNAL_STATUS) as readonly EndingSignal[]

/** A signal ended the command. */
export class SignalError extends CommandError {
  constructor(signal: EndingSignal) {
    super(SIGNAL_STATUS[signal], `ended by ${signal}`)
    this.name = 'SignalError'
  }
}

/** Whether the reason for which a command was ended is SIGINT: where a command runs until Ctrl-C, that is no failure. */
export function isInterrupt(reason: unknown): boolean {
  return reason instanceof SignalError && reason.status === STATUS.interrupted
}
