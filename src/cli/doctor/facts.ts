/**
 * What `doctor` looks at. Nothing here judges, and nothing is changed.
 */
import { Conntrack, type ConntrackUsage } from '../../conntrack/index.js'
import type { InNetworkNamespace } from '../../core/options.js'
import { Iptables, type LegacyTables } from '../../iptables/index.js'
import { Ipvs } from '../../ipvs/index.js'
import { Nftables, type ListedChain, type ListedTable } from '../../nftables/index.js'
import { Route } from '../../route/index.js'
import type { CommandEnvironment } from '../environment.js'
import { SETTINGS } from './settings.js'
import type { System } from './system.js'

/** Parts of the kernel that there are clients for. */
export const PARTS = ['nftables', 'ipvs', 'conntrack', 'route'] as const

/** One of {@link PARTS}. */
export type Part = (typeof PARTS)[number]

/** What was found. */
export interface Facts {
  readonly kernelRelease: string
  /** Why a part cannot be used; absent: it can. */
  readonly refusals: Readonly<Partial<Record<Part, Error>>>
  /** The text of /proc/self/status; undefined where it cannot be read. */
  readonly processStatus: string | undefined
  /** The text of /proc/self/uid_map. */
  readonly userMap: string | undefined
  /** The text of /proc/self/limits. */
  readonly limits: string | undefined
  /** The texts of the lists of modules: those that are loaded, built in, and can be loaded. */
  readonly modules: string
  /** Settings by their files below /proc/sys/net; those that are not there are left out. */
  readonly settings: ReadonlyMap<string, string>
  readonly usage: ConntrackUsage | undefined
  readonly tables: readonly Pick<ListedTable, 'family' | 'name' | 'comment'>[]
  readonly chains: readonly Pick<ListedChain, 'family' | 'table' | 'name'>[]
  readonly legacy: LegacyTables | undefined
  /** Virtual services; undefined where IPVS cannot be read. */
  readonly virtualServices: number | undefined
  /** Names of links. */
  readonly links: readonly string[]
}

interface Closable {
  close(): Promise<void>
}

/** Opens a client, asks it, and closes it. */
async function ask<Client extends Closable, Answer>(open: Promise<Client>, question: (client: Client) => Promise<Answer>): Promise<Answer> {
  const client = await open
  try {
    return await question(client)
  } finally {
    await client.close()
  }
}

type Answered<T> = { readonly answer: T; readonly refusal?: undefined } | { readonly answer?: undefined; readonly refusal: Error }

/** A refusal is what was asked for. */
async function answered<T>(signal: AbortSignal, promise: Promise<T>): Promise<Answered<T>> {
  try {
    return { answer: await promise }
  } catch (error) {
    signal.throwIfAborted()
    return { refusal: error instanceof Error ? error : new Error(String(error)) }
  }
}

const askNftables = async (nft: Nftables): Promise<Pick<Facts, 'tables' | 'chains'>> => ({
  tables: await nft.listTables(),
  chains: await nft.listChains()
})

const askIpvs = async (ipvs: Ipvs): Promise<number> => (await ipvs.listServices()).length

const askRoute = async (route: Route): Promise<readonly string[]> => (await route.listLinks()).map(({ name }) => name)

async function readSettings({ system, signal }: CommandEnvironment, place: InNetworkNamespace): Promise<ReadonlyMap<string, string>> {
  const settings = new Map<string, string>()
  for (const { file } of SETTINGS) {
    signal.throwIfAborted()
    const value = await system.readSetting(place, file)
    if (value !== undefined) settings.set(file, value)
  }
  return settings
}

/** Lists of modules; those that are not there, as in most containers, say nothing. */
async function readModules({ kernelRelease, readFile }: System): Promise<string> {
  const folder = `/lib/modules/${kernelRelease}`
  const files = ['/proc/modules', `${folder}/modules.builtin`, `${folder}/modules.dep`]
  return (await Promise.all(files.map((file) => readFile(file)))).filter((text) => text !== undefined).join('\n')
}

function refusalsOf(answers: Readonly<Record<Part, Answered<unknown>>>): Facts['refusals'] {
  return Object.fromEntries(PARTS.flatMap((part) => (answers[part].refusal === undefined ? [] : [[part, answers[part].refusal]])))
}

/**
 * Looks at all of it.
 *
 * @param route Open in the namespace that is meant; all else is looked at in the same one.
 */
async function gatherBeside(environment: CommandEnvironment, route: Route): Promise<Facts> {
  const { kernel, signal, system } = environment
  const place = { netns: route, signal }
  const nftables = await answered(signal, ask(Nftables.open({ ...place, kernel: kernel?.nftables }), askNftables))
  const ipvs = await answered(signal, ask(Ipvs.open({ ...place, kernel: kernel?.ipvs }), askIpvs))
  const conntrack = await answered(
    signal,
    ask(Conntrack.open({ ...place, kernel: kernel?.conntrack }), (client) => client.readUsage())
  )
  const links = await answered(signal, askRoute(route))
  const legacy = await answered(
    signal,
    ask(Iptables.open({ ...place, kernel: kernel?.nftables }), (client) => client.legacyTables())
  )
  return {
    kernelRelease: system.kernelRelease,
    refusals: refusalsOf({ nftables, ipvs, conntrack, route: links }),
    processStatus: await system.readFile('/proc/self/status'),
    userMap: await system.readFile('/proc/self/uid_map'),
    limits: await system.readFile('/proc/self/limits'),
    modules: await readModules(system),
    settings: await readSettings(environment, route),
    usage: conntrack.answer,
    tables: nftables.answer?.tables ?? [],
    chains: nftables.answer?.chains ?? [],
    legacy: legacy.answer,
    virtualServices: ipvs.answer,
    links: links.answer ?? []
  }
}

/**
 * Looks at all that `doctor` judges.
 *
 * @throws {NetplaneError} The network namespace cannot be entered, or the addon cannot be loaded: nothing can be said then.
 */
export async function gatherFacts(environment: CommandEnvironment, netns: string | number | undefined): Promise<Facts> {
  const { kernel, signal } = environment
  return await ask(Route.open({ netns, signal, kernel: kernel?.route }), (route) => gatherBeside(environment, route))
}
