/**
 * Which schedulers the kernel has: it has no list of them, and loads their modules when a service asks for one.
 */
import { ENOENT } from '../core/errno.js'
import { asNetplaneError } from '../core/errors.js'
import type { Ipvs } from './client.js'
import { encodeServices } from './service-rows.js'

/** In the prefix whose packets are discarded (RFC 6666), so that nobody has a service there. */
const NOWHERE = { protocol: 'tcp', address: '100::6e70', port: 1 } as const

/**
 * Whether the kernel lacks a scheduler and cannot load its module. Nothing is changed, but that the module may be loaded.
 *
 * The kernel is asked to add a service whose prefix length of persistence is not allowed: it looks for the scheduler first, and says `ENOENT`, and then at the prefix, and says `EINVAL`
 * (ip_vs_add_service in net/netfilter/ipvs/ip_vs_ctl.c). A kernel whose IPVS has no IPv6 (CONFIG_IP_VS_IPV6) says neither, and is taken to have every scheduler.
 *
 * @param name As {@link VirtualServiceSpec.scheduler}: 1–15 bytes.
 * @throws {ValidationError} The name is malformed.
 * @throws {NetlinkError} `EPERM`, or the answer never came.
 */
export async function lacksScheduler(ipvs: Pick<Ipvs, 'addServices' | 'removeService'>, name: string): Promise<boolean> {
  const columns = encodeServices([{ ...NOWHERE, scheduler: name }], () => 'service')
  columns.netmask[0] = 0
  const { refused, applied, stopped } = await ipvs.addServices(columns, { onError: 'isolate' })
  if (stopped !== undefined) throw asNetplaneError(stopped)
  if (applied > 0) await ipvs.removeService(NOWHERE, { ensure: true })
  return refused[0]?.errno === -ENOENT
}
