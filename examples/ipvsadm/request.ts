/**
 * What a command line asks for.
 */
import type { AddressFamily, ForwardingMethod, ServiceFlag, Protocol, SyncDaemon, TunnelFlag, TunnelType } from 'netplane'
import { readEndpoint, readIpv4, readNumber, type Names } from './names.js'
import { checkCommand, checkList, checkTunnel, requireTunnel } from './rules.js'
import { scan, TRY_HELP, UsageError, type CommandName, type GivenSwitch, type OptionName } from './switches.js'

const MAX_INT = 2_147_483_647
const MAX_TIMEOUT_SECONDS = 86_400 * 31
/** What the original takes for -p alone. */
const DEFAULT_PERSISTENCE_SECONDS = 360
const NAME_LENGTH = 15
const DEFAULT_INTERFACE = 'eth0'

/** A virtual service as the switches describe it. */
export interface ServiceRequest {
  protocol: Protocol | undefined
  address: string | undefined
  family: AddressFamily | undefined
  port: number
  /** 0: it has an address. */
  fwmark: number
  scheduler: string
  persistenceSeconds: number | undefined
  netmask: string | undefined
  prefixLength: number | undefined
  engine: string
  flags: ServiceFlag[]
}

/** A real server as the switches describe it. */
export interface ServerRequest {
  address: string
  family: AddressFamily
  port: number
  forwarding: ForwardingMethod
  weight: number
  upperThreshold: number
  lowerThreshold: number
  tunnel: { type: TunnelType; port: number | undefined; flags: TunnelFlag[] }
}

/** A command line, read. */
export interface Request {
  readonly command: CommandName
  readonly options: Set<OptionName>
  readonly service: ServiceRequest
  readonly server: ServerRequest
  /** Arguments of --set: TCP, TCP after FIN, UDP, in seconds; 0 leaves it as it is. */
  readonly timeouts: number[]
  readonly daemon: { -readonly [Field in keyof SyncDaemon]: SyncDaemon[Field] }
  schedulerFlags: string
}

function emptyRequest(command: CommandName): Request {
  return {
    command,
    options: new Set(),
    service: {
      protocol: undefined,
      address: undefined,
      family: undefined,
      port: 0,
      fwmark: 0,
      scheduler: '',
      persistenceSeconds: undefined,
      netmask: undefined,
      prefixLength: undefined,
      engine: '',
      flags: []
    },
    server: {
      address: '',
      family: 'ip',
      port: 0,
      forwarding: 'direct-route',
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnel: { type: 'ipip', port: undefined, flags: [] }
    },
    timeouts: [],
    daemon: { role: 'master', interface: DEFAULT_INTERFACE, syncId: 0 },
    schedulerFlags: ''
  }
}

function numberOf(text: string, min: number, max: number, refusal: string): number {
  const value = readNumber(text, min, max)
  if (value === undefined) throw new UsageError(refusal)
  return value
}

const timeoutOf = (text: string, min: number): number =>
  numberOf(text, min, MAX_TIMEOUT_SECONDS, `invalid timeout value \`${text}' specified`)

async function readService(request: Request, protocol: Protocol, text: string, names: Names): Promise<void> {
  const { service } = request
  service.protocol = protocol
  const endpoint = await readEndpoint(text, protocol, names)
  if (endpoint === undefined) throw new UsageError('illegal virtual server address[:port] specified')
  service.address = endpoint.address
  service.family = endpoint.family
  service.port = endpoint.port ?? 0
  if (endpoint.family === 'ip6') service.prefixLength = undefined
}

async function readServer({ service, server }: Request, text: string, names: Names): Promise<void> {
  const endpoint = await readEndpoint(text, service.protocol, names)
  if (endpoint === undefined) throw new UsageError('illegal real server address[:port] specified')
  Object.assign(server, { ...endpoint, port: endpoint.port ?? service.port })
}

/** Of an IPv6 service a prefix length, else a mask; so it depends on what stands before. */
async function readNetmask({ service }: Request, text: string, names: Names): Promise<void> {
  if (service.family === 'ip6') {
    const digits = /^\s*[+-]?[0-9]+/.exec(text)?.[0] ?? ''
    service.prefixLength = numberOf(digits, 1, 128, 'illegal ipv6 netmask specified')
    return
  }
  service.netmask = readIpv4(text) ?? (await names.addressOf(text))
  if (service.netmask === undefined) throw new UsageError('illegal virtual server persistent mask specified')
}

function readMark({ service }: Request, text: string): void {
  const fwmark = readNumber(text, 1, 0xffffffff)
  if (fwmark === undefined) throw new UsageError(`invalid fwmark value \`${text}' specified`)
  Object.assign(service, { family: 'ip', protocol: 'tcp', fwmark })
}

function markIpv6({ service }: Request): void {
  if (service.fwmark === 0) throw new UsageError('-6 used before -f\n')
  service.family = 'ip6'
  service.prefixLength = undefined
}

function readTunnelType({ server }: Request, text: string): void {
  const type = (['ipip', 'gue', 'gre'] as const).find((name) => name === text)
  if (type === undefined) throw new UsageError('illegal tunnel type specified')
  server.tunnel.type = type
}

function readGroup({ daemon }: Request, text: string): void {
  const isIpv6 = text.includes(':')
  const isMulticast = isIpv6 ? /^ff/i.test(text) : /^(22[4-9]|23[0-9])\.[0-9]+\.[0-9]+\.[0-9]+$/.test(text)
  if (!isMulticast) throw new UsageError(`invalid ${isIpv6 ? 'IPv6' : 'IPv4'} mcast-group \`${text}'`)
  daemon.group = text
}

/** What each switch does, by its long name. Those that are missing count by their being there. */
const readers: Readonly<Record<string, (request: Request, text: string, names: Names) => void | Promise<void>>> = {
  'tcp-service': (request, text, names) => readService(request, 'tcp', text, names),
  'udp-service': (request, text, names) => readService(request, 'udp', text, names),
  'sctp-service': (request, text, names) => readService(request, 'sctp', text, names),
  'fwmark-service': readMark,
  ipv6: markIpv6,
  'real-server': readServer,
  netmask: readNetmask,
  scheduler: ({ service }, text) => void (service.scheduler = text.slice(0, NAME_LENGTH)),
  pe: ({ service }, text) => void (service.engine = text.slice(0, NAME_LENGTH)),
  ops: ({ service }) => void service.flags.push('one-packet'),
  'sched-flags': (request, text) => void (request.schedulerFlags = text),
  masquerading: ({ server }) => void (server.forwarding = 'masquerade'),
  ipip: ({ server }) => void (server.forwarding = 'tunnel'),
  gatewaying: ({ server }) => void (server.forwarding = 'direct-route'),
  weight: ({ server }, text) => void (server.weight = numberOf(text, 0, MAX_INT, 'illegal weight specified')),
  'u-threshold': ({ server }, text) => void (server.upperThreshold = numberOf(text, 0, MAX_INT, 'illegal u_threshold specified')),
  'l-threshold': ({ server }, text) => void (server.lowerThreshold = numberOf(text, 0, MAX_INT, 'illegal l_threshold specified')),
  'tun-type': readTunnelType,
  'tun-port': ({ server }, text) => void (server.tunnel.port = numberOf(text, 1, 65_535, 'illegal tunnel port specified')),
  'tun-csum': ({ server }) => void server.tunnel.flags.push('checksum'),
  'tun-remcsum': ({ server }) => void server.tunnel.flags.push('remote-checksum'),
  'mcast-interface': ({ daemon }, text) => void (daemon.interface = text.slice(0, NAME_LENGTH)),
  syncid: ({ daemon }, text) => void (daemon.syncId = numberOf(text, 0, 255, 'illegal syncid specified')),
  'mcast-group': readGroup,
  'mcast-port': ({ daemon }, text) => void (daemon.port = numberOf(text, 1, 65_535, 'illegal mcast-port specified')),
  'mcast-ttl': ({ daemon }, text) => void (daemon.ttl = numberOf(text, 1, 255, 'illegal mcast-ttl specified')),
  'sync-maxlen': ({ daemon }, text) => void (daemon.maximumLength = numberOf(text, 1, 65_507, 'illegal sync-maxlen specified'))
}

async function readSwitch(request: Request, { what, argument, word }: GivenSwitch, names: Names): Promise<void> {
  if (what.command !== undefined) throw new UsageError(`invalid option \`${word}'`)
  const { option } = what
  if (option !== undefined && request.options.has(option)) throw new UsageError(`multiple '${option}' options specified`)
  if (option !== undefined) request.options.add(option)
  if (option === 'persistent')
    request.service.persistenceSeconds = argument === undefined ? DEFAULT_PERSISTENCE_SECONDS : timeoutOf(argument, 1)
  await readers[what.long]?.(request, argument ?? '', names)
}

const flagOwners: Readonly<Partial<Record<ServiceFlag, string | undefined>>> = {
  'flag-1': undefined,
  'flag-2': undefined,
  'flag-3': undefined,
  'sh-fallback': 'sh',
  'sh-port': 'sh',
  'mh-fallback': 'mh',
  'mh-port': 'mh'
}

function readSchedulerFlags({ service, schedulerFlags }: Request): void {
  for (const flag of schedulerFlags.split(',').filter((text) => text !== '')) {
    if (!Object.hasOwn(flagOwners, flag)) throw new UsageError(`invalid scheduler flag \`${flag}'`)
    const owner = flagOwners[flag as ServiceFlag]
    if (owner !== undefined && owner !== (service.scheduler || 'wlc')) throw new UsageError(`incompatible scheduler flag \`${flag}'`)
    service.flags.push(flag as ServiceFlag)
  }
}

function finishService({ service }: Request): void {
  const { fwmark, port, protocol, persistenceSeconds, flags } = service
  if (fwmark === 0 && port === 0 && persistenceSeconds === undefined) throw new UsageError('Zero port specified for non-persistent service')
  if (flags.includes('one-packet') && fwmark === 0 && protocol !== 'udp')
    throw new UsageError('One-Packet Scheduling is only for UDP virtual services')
  service.scheduler ||= 'wlc'
}

function finishServer({ service, server, options }: Request): void {
  const isTunnel = server.forwarding === 'tunnel'
  // Packets keep the service's port.
  if (service.fwmark === 0 && server.forwarding !== 'masquerade') server.port = service.port
  if (server.family !== service.family && !isTunnel) throw new UsageError('Different address family is allowed only for tunneling servers')
  requireTunnel(options, isTunnel)
  checkTunnel(server.tunnel.type, options)
}

const finishers: Readonly<Partial<Record<CommandName, (request: Request) => void>>> = {
  'add-service': finishService,
  'edit-service': finishService,
  'add-server': finishServer,
  'edit-server': finishServer,
  list: ({ options }) => checkList(options)
}

function roleOf({ what, argument }: GivenSwitch): SyncDaemon['role'] {
  const role = (['master', 'backup'] as const).find((name) => name === argument)
  if (role === undefined)
    throw new UsageError(what.command === 'start-daemon' ? 'illegal start-daemon parameter specified' : 'illegal start_daemon specified')
  return role
}

/** Words that are no switches: the arguments of --set, and else none. */
function readRest(request: Request, rest: readonly string[]): void {
  let left = rest
  if (request.command === 'set') {
    if (rest.length < 3) throw new UsageError('--set option requires 3 timeout values')
    request.timeouts.push(...rest.slice(0, 3).map((text) => timeoutOf(text, 0)))
    left = rest.slice(3)
  }
  if (left[0] !== undefined) throw new UsageError(`unexpected argument ${left[0]}`)
}

function firstCommand(switches: Generator<GivenSwitch, void>): GivenSwitch {
  try {
    const first = switches.next()
    if (first.done !== true && first.value.what.command !== undefined) return first.value
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
  }
  throw new UsageError(TRY_HELP, 255)
}

/**
 * Reads a command line without the program's name. The command comes first, as in the original.
 *
 * @throws {UsageError} It is wrong; in the words, and with the exit status, of the original.
 */
export async function readRequest(words: readonly string[], names: Names): Promise<Request> {
  const rest: string[] = []
  const switches = scan(words, rest)
  const first = firstCommand(switches)
  const request = emptyRequest(first.what.command!)
  if (request.command === 'help' || request.command === 'version') return request
  if (first.argument !== undefined) request.daemon.role = roleOf(first)
  for (const given of switches) await readSwitch(request, given, names)
  readRest(request, rest)
  readSchedulerFlags(request)
  checkCommand(request.command, request.options)
  finishers[request.command]?.(request)
  return request
}
