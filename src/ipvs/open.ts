/**
 * How a client finds IPVS.
 */
import { openSocket, type FakeKernel, type NativeKernel } from '../core/open.js'
import type { OpenOptions } from '../core/options.js'
import type { NativeIpvsSocket } from '../native/index.js'
import { followFamily } from './family.js'
import { ipvsFailure } from './refusals.js'

/** Options of {@link Ipvs.open}. */
export interface IpvsOptions extends OpenOptions {
  /** What stands for the kernel: a fake of `netplane/testing`. Default: the kernel. */
  readonly kernel?: FakeKernel<'ipvs'> | undefined
}

/** What {@link openIpvsSocket} gives. */
export interface OpenedIpvs {
  readonly socket: NativeIpvsSocket
  readonly kernel: NativeKernel<'ipvs'>
  readonly deadlineMs: number
}

/** A socket that knows IPVS. @throws As {@link Ipvs.open}. */
export async function openIpvsSocket(options: IpvsOptions): Promise<OpenedIpvs> {
  const operation = 'ipvs.open'
  const { socket, kernel, deadlineMs } = await openSocket(
    {
      part: 'ipvs',
      open: (kernel, native) => kernel.openIpvs(native),
      refusal: (failure, subject) => ipvsFailure(failure, operation, subject)
    },
    options
  )
  const resolved = await socket.resolve({ deadlineMs })
  if (resolved.failure === undefined) return { socket: followFamily(socket, resolved.value), kernel, deadlineMs }
  await socket.close()
  throw ipvsFailure(resolved.failure, operation)
}
