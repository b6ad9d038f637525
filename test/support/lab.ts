import { hasIpvs } from '../run/here.mjs'

/** Whether the tests run in a machine of the lab (tools/lab): on an emulated processor, where Node takes seconds to start. */
export const isInLab = process.env.NETPLANE_TEST_NAMESPACE === 'lab'

/** How much longer than elsewhere a program may take there. */
export const patience = isInLab ? 6 : 1

/** Whether tests may use the kernel's IPVS, which belongs to the initial user namespace. In the lab they must: every kernel there has it. */
export const mayUseIpvs = (): boolean => isInLab || (process.getuid?.() === 0 && hasIpvs())

/** The kernels that a contract is tried on. Fakes answer alike wherever they run, so in the lab the machine's own kernel is enough. */
export function kernelsHere<Kernel extends { readonly kernel: string }>(all: readonly Kernel[]): readonly Kernel[] {
  return isInLab ? all.filter(({ kernel }) => kernel === 'the kernel') : all
}
