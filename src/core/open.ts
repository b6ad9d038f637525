/**
 * How every client is opened: on the kernel, or on a fake of a part of it.
 */
import { loadAddon, type NativeAddon, type NativeFailure, type NativeOpenOptions, type NativeOutcome } from '../native/index.js'
import { ValidationError } from './errors.js'
import { failureError } from './failures.js'
import { describeNamespace, nativeOpenOptions, type OpenOptions } from './options.js'

/** What the native side offers of each part of the kernel. */
interface NativeParts extends Record<KernelPart, object> {
  readonly nftables: Pick<NativeAddon, 'openNftables' | 'monitorNftables'>
  readonly route: Pick<NativeAddon, 'openRoute' | 'monitorRoute'>
  readonly conntrack: Pick<NativeAddon, 'openConntrack' | 'monitorConntrack'>
  readonly ipvs: Pick<NativeAddon, 'openIpvs' | 'openIpvsConnections' | 'readSystemSetting'>
}

/** A part of the kernel for which there is a client. */
export type KernelPart = 'nftables' | 'ipvs' | 'conntrack' | 'route'

/** What the native side offers of one part. */
export type NativeKernel<Part extends KernelPart> = NativeParts[Part]

/** The key under which a fake says which part of the kernel it stands for. */
export const kernelPart: unique symbol = Symbol.for('netplane.kernelPart')

/** What stands for a part of the kernel; `netplane/testing` makes them. */
export interface FakeKernel<Part extends KernelPart> {
  /** Of use inside the package only. */
  readonly [kernelPart]: Part
}

/** A fake as a class makes it: with what the native side offers, which is not public. */
export type FakeOf<Part extends KernelPart> = FakeKernel<Part> & NativeKernel<Part>

function isFakeOf<Part extends KernelPart>(value: unknown, part: Part): value is FakeOf<Part> {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[kernelPart] === part
}

/** The native side of a fake, or of the kernel where there is none. @throws {ValidationError} */
function kernelOf<Part extends KernelPart>(fake: FakeKernel<Part> | undefined, part: Part): NativeKernel<Part> {
  if (fake === undefined) return loadAddon()
  if (isFakeOf(fake, part)) return fake
  throw new ValidationError('options.kernel', fake, `a fake of ${part} from netplane/testing`)
}

/** What is opened. */
export interface OpenForm<Part extends KernelPart, Socket> {
  readonly part: Part
  readonly open: (kernel: NativeKernel<Part>, options: NativeOpenOptions) => Promise<NativeOutcome<Socket>>
  /** A more telling error, where there is one. */
  readonly refusal?: (failure: NativeFailure, subject: string | undefined) => Error | undefined
}

/**
 * Opens a client's socket.
 *
 * @throws {ValidationError} An option is malformed.
 * @throws {UnsupportedError} The addon cannot be loaded, or the kernel lacks the part.
 * @throws {NetlinkError} `EPERM`, `ENOENT` and other refusals of the namespace or the socket.
 */
export async function openSocket<Part extends KernelPart, Socket>(
  { part, open, refusal }: OpenForm<Part, Socket>,
  options: OpenOptions & { readonly kernel?: FakeKernel<Part> | undefined }
): Promise<{ readonly socket: Socket; readonly kernel: NativeKernel<Part>; readonly deadlineMs: number }> {
  const native = nativeOpenOptions(options)
  const kernel = kernelOf(options.kernel, part)
  options.signal?.throwIfAborted()
  const outcome = await open(kernel, native)
  if (outcome.failure === undefined) return { socket: outcome.value, kernel, deadlineMs: native.deadlineMs }
  const subject = describeNamespace(native.netns)
  throw refusal?.(outcome.failure, subject) ?? failureError(outcome.failure, { operation: `${part}.open`, subject })
}

/** A fake of what the native side offers. */
export function fakeOf<Part extends KernelPart>(part: Part, native: NativeKernel<Part>): FakeOf<Part> {
  return { [kernelPart]: part, ...native }
}

/** A fake as clients take it. That it has all that the native side offers is checked here, when it is compiled. */
export function asFakeKernel<Part extends KernelPart>(fake: FakeOf<Part>): FakeKernel<Part> {
  return fake
}
