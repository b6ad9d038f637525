/**
 * How a client is opened.
 */
import type { OpenOptions } from '../client.js'
import type { NativeAddon } from '../native.js'

/** Where sockets come from. */
export type ConntrackKernel = Pick<NativeAddon, 'openConntrack' | 'monitorConntrack'>

/** Options of {@link Conntrack.open}. */
export interface ConntrackOptions extends OpenOptions {
  /** What stands for the kernel: a fake of `netplane/testing`. Default: the kernel. */
  readonly kernel?: ConntrackKernel | undefined
}
