/**
 * Reads what the kernel has of each mode.
 */
import { NetplaneError, UnsupportedError } from '../../core/errors.js'
import type { InNetworkNamespace } from '../../core/options.js'
import { Ipvs } from '../../ipvs/index.js'
import { Nftables } from '../../nftables/index.js'
import { causeOf } from '../../plane/core/backend.js'
import { requireNoName } from '../../plane/iptables/options.js'
import { Route } from '../../route/index.js'
import type { CommandEnvironment } from '../environment.js'
import { KERNEL_MODES, type KernelMode, type PlaneCommandOptions } from '../options.js'
import { showIptables } from './iptables.js'
import { showIpvs } from './ipvs.js'
import type { ShownFrontend } from './model.js'
import { byAddress } from './order.js'
import { showRelays, showTables, type OnForeign } from './tables.js'

type Choice = Pick<PlaneCommandOptions, 'mode' | 'netns' | 'name'>

async function readIpvs(
  { signal, kernel }: CommandEnvironment,
  nft: Nftables,
  name: string | undefined,
  onForeign: OnForeign
): Promise<ShownFrontend[]> {
  const place: { readonly netns: InNetworkNamespace; readonly signal: AbortSignal } = { netns: nft, signal }
  const ipvs = await Ipvs.open({ ...place, kernel: kernel?.ipvs })
  try {
    const route = await Route.open({ ...place, kernel: kernel?.route })
    try {
      return await showIpvs({ ipvs, nft, route }, name, onForeign)
    } finally {
      await route.close()
    }
  } finally {
    await ipvs.close()
  }
}

/** What another program has under our names is not ours to show, and a kernel without IPVS has no virtual services: where no mode was asked for, both are left out, and the former is told. */
function isLeftOut(error: unknown, mode: KernelMode | undefined, tell: (words: string) => void): boolean {
  if (mode !== undefined) return false
  const isForeign = error instanceof NetplaneError && error.code === 'ERR_NETPLANE_FOREIGN'
  if (isForeign) tell(error.message)
  return isForeign || error instanceof UnsupportedError
}

const sayNothing = (): void => undefined

/**
 * All frontends of the mode that was asked for, else of all, in the order of modes and then of addresses.
 *
 * @param tell Is told what was left out as it is another program's, where no mode was asked for.
 * @throws {ValidationError} A name was given in mode iptables, whose planes have none.
 * @throws {NetplaneError} The kernel cannot be read; with a mode also where it lacks the subsystem, or what has our names is not ours.
 */
export async function readFrontends(
  environment: CommandEnvironment,
  { mode, netns, name }: Choice,
  tell: (words: string) => void = sayNothing
): Promise<ShownFrontend[]> {
  const { signal, kernel } = environment
  if (mode === 'iptables') requireNoName(name)
  const nft = await Nftables.open({ netns, signal, kernel: kernel?.nftables })
  const onForeign = mode === undefined ? tell : undefined
  const read: Readonly<Record<KernelMode, () => Promise<ShownFrontend[]>>> = {
    nftables: () => showTables(nft, name, onForeign),
    ipvs: () => readIpvs(environment, nft, name, onForeign),
    iptables: () => showIptables(nft),
    userspace: () => showRelays(nft, name, onForeign)
  }
  const found: ShownFrontend[] = []
  try {
    for (const one of mode === undefined ? KERNEL_MODES : [mode]) {
      signal.throwIfAborted()
      try {
        found.push(...byAddress(await read[one]()))
      } catch (error) {
        if (!isLeftOut(error, mode, tell)) throw causeOf(error)
      }
    }
  } finally {
    await nft.close()
  }
  return found
}
