/**
 * The three subsystems of the plane, opened together and closed together.
 */
import { networkNamespace } from '../../client.js'
import { NetlinkError, NetplaneError } from '../../errors.js'
import { Ipvs } from '../../ipvs/index.js'
import { loadAddon, type NativeNamespace } from '../../native.js'
import { Nftables } from '../../nftables/index.js'
import { Route } from '../../route/index.js'
import { localSourceElements } from '../nftables/sources.js'
import { Addresses } from './addresses.js'
import { Companion } from './companion.js'
import type { IpvsPlaneOptions } from './options.js'

/** What the plane works with. */
export interface Parts {
  readonly ipvs: Ipvs
  readonly addresses: Addresses
  readonly companion: Companion
  /** Sets `net.ipv4.vs.conntrack`: without it packets of IPVS have no connection, and nothing can be masqueraded. */
  readonly enableConntrack: () => Promise<void>
  readonly close: () => Promise<void>
}

const SETTING = 'ipv4/vs/conntrack'

async function enableConntrack(netns: NativeNamespace | undefined): Promise<void> {
  const addon = loadAddon()
  const place = netns === undefined ? {} : { netns }
  const now = await addon.readSystemSetting({ ...place, name: SETTING })
  if (now.failure === undefined && now.value.trim() === '1') return
  const { failure } = await addon.writeSystemSetting({ ...place, name: SETTING, value: '1\n' })
  if (failure === undefined) return
  const hint = 'the plane masquerades by it: write 1 to it yourself where /proc/sys is read-only (needs CONFIG_IP_VS_NFCT)'
  throw new NetlinkError({ errno: failure.errno, operation: 'plane.sync', subject: `setting net.ipv4.vs.conntrack`, hint })
}

/** Opens the three clients; closes again what was opened where one cannot be. */
export async function openParts(options: IpvsPlaneOptions, name: string): Promise<Parts> {
  const { netns, deadlineMs, signal, kernels } = options
  const sources = options.localSources === undefined ? undefined : localSourceElements(options.localSources)
  const opened: { close(): Promise<void> }[] = []
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((client) => client.close()))
  }
  try {
    const ipvs = await Ipvs.open({ netns, deadlineMs, signal, kernel: kernels?.ipvs })
    opened.push(ipvs)
    const route = await Route.open({ netns: ipvs, deadlineMs, signal, kernel: kernels?.route })
    opened.push(route)
    const nft = await Nftables.open({ netns: ipvs, deadlineMs, signal, kernel: kernels?.nftables })
    opened.push(nft)
    return {
      ipvs,
      addresses: new Addresses(route, name),
      companion: new Companion(nft, `${name}-ipvs`, sources),
      enableConntrack: async () => {
        if (kernels === undefined) await enableConntrack(ipvs[networkNamespace])
      },
      close
    }
  } catch (error) {
    await close()
    throw error instanceof Error ? error : new NetplaneError('ERR_NETPLANE_INTERNAL', String(error))
  }
}
