/**
 * What a command has around it. Tests give their own.
 */
import type { FakeKernel } from '../core/open.js'
import type { System } from './doctor/system.js'

/** A stream that commands write to: a terminal, a pipe or a file. */
export interface OutputStream {
  /** @param done Is called when the text was written, or could not be. */
  write(text: string, done?: () => void): boolean
  /** How much waits to be written. Absent: nothing does. */
  readonly writableLength?: number | undefined
  /** Columns of a terminal. Absent: it is none, or does not say. */
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly isTTY?: boolean | undefined
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** Fakes of `netplane/testing` that stand for the kernel. */
export interface CommandKernel {
  readonly nftables: FakeKernel<'nftables'>
  readonly ipvs: FakeKernel<'ipvs'>
  readonly route: FakeKernel<'route'>
  readonly conntrack: FakeKernel<'conntrack'>
}

/** What a command reads from and writes to. */
export interface CommandEnvironment {
  readonly stdin: AsyncIterable<unknown>
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** `NO_COLOR`, `TERM` and `NETPLANE_DEBUG` are looked at. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Ends the command; the reason is what it rejects with. */
  readonly signal: AbortSignal
  /** Files of this machine that say how it is set up. */
  readonly system: System
  /** Has something done when the process ends before the command does. Returns what takes that back. */
  atExit(action: () => void): () => void
  /** Has something done before the process is stopped (Ctrl-Z), and when it goes on. Returns what takes that back. */
  atStop(before: () => void, after: () => void): () => void
  /** Absent: the kernel. */
  readonly kernel?: CommandKernel | undefined
}
