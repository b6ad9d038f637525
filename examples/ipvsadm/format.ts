/**
 * The listings of the original, column by column.
 */
import type { IpvsConnection, IpvsStatistics, RealServer, Protocol, SyncDaemon, Tunnel, VirtualService } from 'netplane'
import type { OptionName } from './switches.js'

/** How an address and port are written. */
export type EndpointText = (address: string, port: number, protocol: Protocol | undefined) => string

/** How listings look. */
export interface Format {
  readonly options: ReadonlySet<OptionName>
  readonly endpoint: EndpointText
}

/** IPv4 services and real servers are cut at these widths, as names can be long. */
const SERVICE_WIDTH = 33
const SERVER_WIDTH = 28

const row = (first: string, ...rest: readonly [string, number][]): string =>
  [first, ...rest.map(([text, width]) => text.padEnd(width))].join(' ')

const UNITS: readonly (readonly [bigint, bigint, string])[] = [
  [100_000_000n, 1n, ''],
  [1_000_000_000n, 1000n, 'K'],
  [100_000_000_000n, 1_000_000n, 'M'],
  [100_000_000_000_000n, 1_000_000_000n, 'G']
]

/** A counter in 9 columns: in thousands, millions … when it is large, or exactly, as wide as it takes. */
export function countText(value: bigint, isExact: boolean): string {
  if (isExact) {
    const text = String(value)
    return text.padStart(Math.max(9, text.length + 1))
  }
  const [, divisor, unit] = UNITS.find(([limit]) => value < limit) ?? [0n, 1_000_000_000_000n, 'T']
  return `${value / divisor}${unit}`.padStart(9)
}

type Counter = keyof IpvsStatistics
const COUNTERS: readonly Counter[] = ['connections', 'incomingPackets', 'outgoingPackets', 'incomingBytes', 'outgoingBytes']
const RATES: readonly Counter[] = [
  'connectionsPerSecond',
  'incomingPacketsPerSecond',
  'outgoingPacketsPerSecond',
  'incomingBytesPerSecond',
  'outgoingBytesPerSecond'
]
/** Rates of real servers are never shortened but for those of bytes. */
const PLAIN_RATES = 3

const FORWARDING = { masquerade: 'Masq', local: 'Local', tunnel: 'Tunnel', 'direct-route': 'Route', bypass: 'Bypass' } as const

const checksumOf = ({ flags = [] }: Tunnel, names: readonly [string, string, string]): string =>
  flags.includes('remote-checksum') ? names[2] : names[flags.includes('checksum') ? 1 : 0]

/** `gue:6080:+c`. */
function tunnelText({ forwarding, tunnel }: RealServer): string {
  if (forwarding !== 'tunnel') return 'n/a'
  if (tunnel === null || tunnel.type === 'ipip') return 'ipip'
  const port = tunnel.type === 'gue' ? [String(tunnel.port)] : []
  return [tunnel.type, ...port, checksumOf(tunnel, ['-c', '+c', 'r+c'])].join(':').slice(0, 15)
}

const connectionsOf = (server: RealServer): [string, number][] => [
  [String(server.activeConnections), 10],
  [String(server.inactiveConnections), 10]
]

/** A listing with columns of its own: its title, and what follows the names of services and real servers. */
interface View {
  readonly title: string
  /** Undefined: scheduler and flags, as in the plain listing. */
  readonly service?: (service: VirtualService, isExact: boolean) => string
  readonly server: (name: string, server: RealServer, isExact: boolean) => string
}

const SECOND_LINE = '\n  -> RemoteAddress:Port'
const title = (...columns: readonly [string, number][]): string =>
  row('Prot LocalAddress:Port'.padEnd(SERVICE_WIDTH), ...columns) + SECOND_LINE
const numbersTitle = (...names: readonly string[]): string => title(...names.map((name): [string, number] => [name.padStart(8), 8]))

const counts = (statistics: IpvsStatistics | undefined, names: readonly Counter[], isExact: boolean): string =>
  names.map((name) => countText(statistics?.[name] ?? 0n, isExact)).join('')

const views: readonly (readonly [OptionName, View])[] = [
  [
    'stats',
    {
      title: numbersTitle('Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'),
      service: ({ statistics }, isExact) => counts(statistics, COUNTERS, isExact),
      server: (name, { statistics }, isExact) => `${name}${counts(statistics, COUNTERS, isExact)}`
    }
  ],
  [
    'rate',
    {
      title: numbersTitle('CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'),
      service: ({ statistics }, isExact) => counts(statistics, RATES, isExact),
      server: (name, { statistics }, isExact) => {
        const plain = RATES.slice(0, PLAIN_RATES).map((rate) => ` ${String(statistics?.[rate] ?? 0n).padStart(8)}`)
        return `${name}${plain.join('')}${counts(statistics, RATES.slice(PLAIN_RATES), isExact)}`
      }
    }
  ],
  [
    'thresholds',
    {
      title: title(['Uthreshold', 10], ['Lthreshold', 10], ['ActiveConn', 10], ['InActConn', 10]),
      server: (name, server) =>
        row(name, [String(server.upperThreshold), 10], [String(server.lowerThreshold), 10], ...connectionsOf(server))
    }
  ],
  [
    'persistent-conn',
    {
      title: title(['Weight', 9], ['PersistConn', 11], ['ActiveConn', 10], ['InActConn', 10]),
      server: (name, server) => row(name, [String(server.weight), 9], [String(server.persistentConnections), 11], ...connectionsOf(server))
    }
  ],
  [
    'tun-info',
    {
      title: `Prot LocalAddress:Port Scheduler Flags${SECOND_LINE}           Forward TunnelInfo    Weight ActiveConn InActConn`,
      server: (name, server) =>
        row(name, [FORWARDING[server.forwarding], 7], [tunnelText(server), 13], [String(server.weight), 6], ...connectionsOf(server))
    }
  ]
]

const plainView: View = {
  title: `Prot LocalAddress:Port Scheduler Flags${SECOND_LINE}           Forward Weight ActiveConn InActConn`,
  server: (name, server) => row(name, [FORWARDING[server.forwarding], 7], [String(server.weight), 6], ...connectionsOf(server))
}

const viewOf = (options: ReadonlySet<OptionName>): View => views.find(([option]) => options.has(option))?.[1] ?? plainView

/** The lines above the first service. */
export function titleText({ options }: Format): string {
  return `${viewOf(options).title}\n`
}

/** `255.255.255.0` for 24. */
function maskText(prefixLength: number): string {
  // A shift by 32 would shift by nothing.
  const mask = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join('.')
}

/** The mask of persistence; undefined for each client by itself. */
export function netmaskText({ persistence, family }: VirtualService): string | undefined {
  if (persistence?.netmask !== undefined) return persistence.netmask
  const { prefixLength } = persistence ?? {}
  if (prefixLength === undefined || prefixLength === (family === 'ip6' ? 128 : 32)) return undefined
  return family === 'ip6' ? String(prefixLength) : maskText(prefixLength)
}

/** What the scheduler's bits are called. */
export const schedulerFlags = ({ flags }: VirtualService): string => flags.filter((flag) => flag !== 'one-packet').join(',')

function schedulingText(service: VirtualService): string {
  const { scheduler, persistence, persistenceEngine, flags } = service
  const netmask = netmaskText(service)
  const words = [scheduler]
  if (schedulerFlags(service) !== '') words.push(`(${schedulerFlags(service)})`)
  if (persistence !== null) {
    words.push(`persistent ${persistence.timeoutSeconds}`)
    if (netmask !== undefined) words.push(`mask ${netmask}`)
    if (persistenceEngine !== null) words.push(`pe ${persistenceEngine}`)
  }
  if (flags.includes('one-packet')) words.push('ops')
  return ` ${words.join(' ')}`
}

function serviceName(service: VirtualService, endpoint: EndpointText): string {
  const { fwmark, protocol, address, port, family } = service
  if (fwmark !== undefined) return `FWM  ${fwmark}${family === 'ip6' ? ' IPv6' : ''}`
  const name = `${protocol.toUpperCase().padEnd(4)} ${endpoint(address, port, protocol)}`
  return family === 'ip6' ? name : name.slice(0, SERVICE_WIDTH)
}

/** A service with its real servers. */
export function serviceText(service: VirtualService, servers: readonly RealServer[], { options, endpoint }: Format): string {
  const view = viewOf(options)
  const isExact = options.has('exact')
  const name = serviceName(service, endpoint)
  const first = view.service === undefined ? `${name}${schedulingText(service)}` : `${name.padEnd(33)}${view.service(service, isExact)}`
  const lines = servers.map((server) => {
    const whole = endpoint(server.address, server.port, service.protocol)
    const text = server.family === 'ip6' ? whole : whole.slice(0, SERVER_WIDTH)
    return view.server(`  -> ${text.padEnd(SERVER_WIDTH)}`, server, isExact)
  })
  return [first, ...lines, ''].join('\n')
}

const protocols: Readonly<Record<string, Protocol>> = { tcp: 'tcp', udp: 'udp', sctp: 'sctp' }

/** The lines above the first connection. */
export function connectionsTitle({ options }: Format): string {
  const columns: [string, number][] = [
    ['state', 11],
    ['source', 18],
    ['virtual', 18]
  ]
  const line = options.has('persistent-conn')
    ? row('pro expire', ...columns, ['destination', 18], ['pe name', 16], ['pe_data', 0])
    : row('pro expire', ...columns, ['destination', 0])
  return `IPVS connection entries\n${line}\n`
}

/** A connection. */
export function connectionText(connection: IpvsConnection, { options, endpoint }: Format): string {
  const { expiresSeconds: left, persistenceEngine, persistenceData } = connection
  const protocol = protocols[connection.protocol]
  const expire = `${String(Math.floor(left / 60)).padStart(2, '0')}:${String(left % 60).padStart(2, '0')}`
  const start = row(
    connection.protocol.toUpperCase().padEnd(3),
    [expire, 6],
    [connection.state, 11],
    [endpoint(connection.clientAddress, connection.clientPort, protocol), 18],
    [endpoint(connection.virtualAddress, connection.virtualPort, protocol), 18]
  )
  const destination = endpoint(connection.realAddress, connection.realPort, protocol)
  return options.has('persistent-conn') && persistenceEngine !== undefined && persistenceData
    ? `${row(start, [destination, 16], [persistenceEngine, 18], [persistenceData, 0])}\n`
    : `${start} ${destination}\n`
}

/** A synchronisation daemon. */
export function daemonText({ role, interface: link, syncId, maximumLength, group, port, ttl }: SyncDaemon): string {
  const rest = Object.entries({ maxlen: maximumLength, group, port, ttl }).filter(([, value]) => value !== undefined && value !== 0)
  const words = [`mcast=${link}`, `syncid=${syncId}`, ...rest.map(([name, value]) => `${name}=${value}`)]
  return `${role} sync daemon (${words.join(', ')})\n`
}

const ENDPOINT_LENGTH = 59

/** Numbers, or names where they are known. */
export function endpointText(
  hostOf: (address: string) => string = (address) => address,
  serviceOf: (port: number, protocol: Protocol | undefined) => string = String
): EndpointText {
  return (address, port, protocol) => {
    const host = address.includes(':') ? `[${hostOf(address)}]` : hostOf(address)
    return `${host}:${serviceOf(port, protocol)}`.slice(0, ENDPOINT_LENGTH)
  }
}

const SERVICE_SWITCHES: Readonly<Record<Protocol, string>> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' }
const FORWARDING_SWITCHES = { masquerade: '-m', local: '-g', tunnel: '-i', 'direct-route': '-g', bypass: '-g' } as const

function tunnelSwitches({ forwarding, tunnel }: RealServer): string {
  if (forwarding !== 'tunnel') return ''
  if (tunnel === null || tunnel.type === 'ipip') return ' --tun-type ipip'
  const port = tunnel.type === 'gue' ? ` --tun-port ${tunnel.port}` : ''
  return ` --tun-type ${tunnel.type}${port} ${checksumOf(tunnel, ['--tun-nocsum', '--tun-csum', '--tun-remcsum'])}`
}

/** A service with its real servers as command lines (-S). */
export function ruleText(service: VirtualService, servers: readonly RealServer[], endpoint: EndpointText): string {
  const { fwmark, protocol, address, port, family, persistence, persistenceEngine } = service
  const name =
    fwmark === undefined
      ? `${SERVICE_SWITCHES[protocol]} ${endpoint(address, port, protocol)}`
      : `-f ${fwmark}${family === 'ip6' ? ' -6' : ''}`
  const netmask = netmaskText(service)
  const flags = schedulerFlags(service)
  const words = [`-A ${name} -s ${service.scheduler}`]
  if (persistence !== null) words.push(`-p ${persistence.timeoutSeconds}`)
  if (netmask !== undefined) words.push(`-M ${netmask}`)
  if (persistenceEngine !== null) words.push(`--pe ${persistenceEngine}`)
  if (service.flags.includes('one-packet')) words.push('-o')
  if (flags !== '') words.push(`-b ${flags}`)
  const lines = servers.map(
    (server) =>
      `-a ${name} -r ${endpoint(server.address, server.port, protocol)} ${FORWARDING_SWITCHES[server.forwarding]} -w ${server.weight}${tunnelSwitches(server)}`
  )
  return [words.join(' '), ...lines, ''].join('\n')
}
