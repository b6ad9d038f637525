/**
 * The program without its process: what each command does.
 */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { NetplaneError, type Ipvs, type IpvsConnection, type IpvsInfo, type VirtualServiceKey, type VirtualServiceListing } from 'netplane'
import { applyChanges, isChange, serviceKey } from './changes.js'
import {
  connectionsTitle,
  connectionText,
  daemonText,
  endpointText,
  ruleText,
  serviceText,
  titleText,
  type EndpointText,
  type Format
} from './format.js'
import type { Names } from './names.js'
import { refusalText } from './refusals.js'
import { readRequest, type Request } from './request.js'
import { restore } from './restore.js'
import { sortServers, sortServices } from './sort.js'
import { UsageError, type CommandName } from './switches.js'
import { USAGE } from './usage.js'

/** What the program is given. */
export interface Surroundings {
  readonly open: () => Promise<Ipvs>
  readonly names: Names
  readonly input: Readable
  readonly output: (text: string) => void
  readonly error: (text: string) => void
}

/** Exit statuses: the original's -1 is 255. */
const REFUSED = 255
const NOT_LISTED = 1
const NO_IPVS = 2

interface Context extends Surroundings {
  readonly ipvs: Ipvs
  readonly info: IpvsInfo
}

/** How addresses and ports are to be written; names are looked up once each. */
async function endpointsOf(addresses: Iterable<string>, isNumeric: boolean, names: Names): Promise<EndpointText> {
  if (isNumeric) return endpointText()
  const hosts = new Map<string, string>()
  const find = async (address: string): Promise<void> => void hosts.set(address, (await names.hostOf(address)) ?? address)
  await Promise.all([...new Set(addresses)].map(find))
  return endpointText(
    (address) => hosts.get(address) ?? address,
    (port, protocol) => names.serviceOf(port, protocol) ?? String(port)
  )
}

const addressesOf = (services: readonly VirtualServiceListing[]): string[] =>
  services.flatMap(({ address, realServers }) => [
    ...(address === undefined ? [] : [address]),
    ...realServers.map((server) => server.address)
  ])

async function formatFor(services: readonly VirtualServiceListing[], { options }: Request, { names }: Context): Promise<Format> {
  return { options, endpoint: await endpointsOf(addressesOf(services), options.has('numeric'), names) }
}

/** One service, or none where it went in between. @throws {NetlinkError} `ESRCH`: there is none. */
async function readService(ipvs: Ipvs, key: VirtualServiceKey): Promise<VirtualServiceListing[]> {
  const realServers = await ipvs.listRealServers(key)
  const service = await ipvs.getService(key)
  return service === undefined ? [] : [{ ...service, realServers }]
}

async function listServices(request: Request, context: Context): Promise<void> {
  const { ipvs, info, output } = context
  const isOne = request.options.has('service-address')
  const isSorted = !request.options.has('nosort')
  const key = serviceKey(request.service)
  const statistics = request.options.has('stats') || request.options.has('rate')
  const found = isOne ? await readService(ipvs, key) : await ipvs.list({ statistics })
  const services = isSorted ? sortServices(found) : found
  const format = await formatFor(services, request, context)
  const texts = services.map((service) => serviceText(service, isSorted ? sortServers(service.realServers) : service.realServers, format))
  const version = `IP Virtual Server version ${info.version} (size=${info.connectionTableSize})\n`
  output(`${isOne ? '' : version}${titleText(format)}${texts.join('')}`)
}

async function save(request: Request, context: Context): Promise<void> {
  const services = sortServices(await context.ipvs.list({ statistics: false }))
  const { endpoint } = await formatFor(services, request, context)
  context.output(services.map((service) => ruleText(service, sortServers(service.realServers), endpoint)).join(''))
}

async function listConnections({ options }: Request, { ipvs, names, output }: Context): Promise<void> {
  const connections: IpvsConnection[] = []
  for await (const connection of ipvs.iterateConnections()) connections.push(connection)
  const addresses = connections.flatMap((one) => [one.clientAddress, one.virtualAddress, one.realAddress])
  const format = { options, endpoint: await endpointsOf(addresses, options.has('numeric'), names) }
  output(`${connectionsTitle(format)}${connections.map((connection) => connectionText(connection, format)).join('')}`)
}

async function listTimeouts(_request: Request, { ipvs, output }: Context): Promise<void> {
  const { tcpSeconds, tcpFinSeconds, udpSeconds } = await ipvs.readTimeouts()
  output(`Timeout (tcp tcpfin udp): ${tcpSeconds} ${tcpFinSeconds} ${udpSeconds}\n`)
}

async function listDaemons(_request: Request, { ipvs, output }: Context): Promise<void> {
  output((await ipvs.listDaemons()).map(daemonText).join(''))
}

const lists = { connection: listConnections, 'service-address': listServices, timeout: listTimeouts, daemon: listDaemons } as const

async function list(request: Request, context: Context): Promise<void> {
  const what = Object.entries(lists).find(([option]) => request.options.has(option as keyof typeof lists))
  await (what?.[1] ?? listServices)(request, context)
}

async function setTimeouts({ timeouts }: Request, { ipvs }: Context): Promise<void> {
  const names = ['tcpSeconds', 'tcpFinSeconds', 'udpSeconds']
  const given = names.map((name, at) => [name, timeouts[at]] as const).filter(([, seconds]) => seconds !== 0)
  if (given.length > 0) await ipvs.writeTimeouts(Object.fromEntries(given))
}

/** Commands that are no changes of services and real servers. */
const commands: Readonly<Partial<Record<CommandName, (request: Request, context: Context) => Promise<void>>>> = {
  list,
  save,
  flush: (_request, { ipvs }) => ipvs.flush({ allServices: true }),
  zero: ({ service, options }, { ipvs }) => ipvs.zero(options.has('service-address') ? serviceKey(service) : undefined),
  set: setTimeouts,
  'start-daemon': ({ daemon }, { ipvs }) => ipvs.startDaemon(daemon),
  'stop-daemon': ({ daemon }, { ipvs }) => ipvs.stopDaemon(daemon.role)
}

function greet(request: Request, { info, output }: Context): boolean {
  const isGreeting = request.command === 'help' || request.command === 'version'
  if (isGreeting) output(`ipvsadm v1.31 in the manner of netplane (IPVS v${info.version})\n${request.command === 'help' ? USAGE : ''}`)
  return isGreeting
}

async function runOther(request: Request, context: Context, refuse: (message: string) => void): Promise<number> {
  if (greet(request, context)) return 0
  try {
    await commands[request.command]?.(request, context)
    return 0
  } catch (error) {
    if (!(error instanceof NetplaneError)) throw error
    refuse(refusalText(request.command, error))
    return request.command === 'list' || request.command === 'save' ? NOT_LISTED : REFUSED
  }
}

async function runRequest(request: Request, context: Context): Promise<number> {
  const refuse = (message: string): void => context.error(`${message}\n`)
  const { command } = request
  if (command === 'restore') {
    const lines = createInterface({ input: context.input, crlfDelay: Infinity })
    return await restore({ ...context, refuse, runOther: (one, say) => runOther(one, context, say) }, lines)
  }
  if (!isChange(command)) return await runOther(request, context, refuse)
  const [refusal] = await applyChanges(context.ipvs, command, [request])
  if (refusal === undefined) return 0
  refuse(refusal)
  return REFUSED
}

async function runOn(words: readonly string[], context: Context): Promise<number> {
  try {
    const request = await readRequest(words.length === 0 ? ['-L'] : words, context.names)
    return await runRequest(request, context)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    context.error(`${error.message}\n`)
    return error.status
  }
}

/** Carries out a command line. Returns the exit status: 0, or what the original's would be. */
export async function runIpvsadm(words: readonly string[], surroundings: Surroundings): Promise<number> {
  let ipvs: Ipvs | undefined
  try {
    ipvs = await surroundings.open()
    const info = await ipvs.readInfo()
    return await runOn(words, { ...surroundings, ipvs, info })
  } catch (error) {
    if (!(error instanceof NetplaneError)) throw error
    surroundings.error(`Can't initialize ipvs: ${refusalText('help', error)}\n`)
    return NO_IPVS
  } finally {
    await ipvs?.close()
  }
}
