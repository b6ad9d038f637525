/**
 * How a client finds IPVS.
 */
import { describeNamespace, nativeOpenOptions, type OpenOptions } from '../client.js'
import { loadAddon, type NativeAddon, type NativeIpvsSocket } from '../native.js'
import { followFamily } from './family.js'
import { ipvsFailure, unwrapIpvs } from './refusals.js'

/** Where sockets and settings come from. */
export type IpvsKernel = Pick<NativeAddon, 'openIpvs' | 'openIpvsConnections' | 'readSystemSetting'>

/** Options of {@link Ipvs.open}. */
export interface IpvsOptions extends OpenOptions {
  /** What stands for the kernel: a fake of `netplane/testing`. Default: the kernel. */
  readonly kernel?: IpvsKernel | undefined
}

/** A socket that knows IPVS. @throws As {@link Ipvs.open}. */
export async function openIpvsSocket(options: IpvsOptions): Promise<{ readonly socket: NativeIpvsSocket; readonly kernel: IpvsKernel }> {
  const operation = 'ipvs.open'
  const native = nativeOpenOptions(options)
  options.signal?.throwIfAborted()
  const kernel = options.kernel ?? loadAddon()
  const socket = unwrapIpvs(await kernel.openIpvs(native), operation, describeNamespace(native.netns))
  const resolved = await socket.resolve({ deadlineMs: native.deadlineMs })
  if (resolved.failure === undefined) return { socket: followFamily(socket, resolved.value), kernel }
  await socket.close()
  throw ipvsFailure(resolved.failure, operation)
}
