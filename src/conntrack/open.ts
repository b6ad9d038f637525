/**
 * How a client is opened.
 */
import type { FakeKernel } from '../core/open.js'
import type { OpenOptions } from '../core/options.js'

/** Options of {@link Conntrack.open}. */
export interface ConntrackOptions extends OpenOptions {
  /** What stands for the kernel: a fake of `netplane/testing`. Default: the kernel. */
  readonly kernel?: FakeKernel<'conntrack'> | undefined
}
