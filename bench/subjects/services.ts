// The content of the load, update and list rows: a service per ten endpoints, in the shape in which a service plane keeps them, as text for nft and
// as columns for the library.
import type { Netplane } from '../frame/netplane.js'
import { dottedQuad, ruleParts } from './expressions.js'

/** Endpoints of a service, and slots of its chain. */
export const endpointsPerService = 10

const table = { family: 'ip', name: 'bench' } as const
const protocolTcp = 6
const servicePort = 80
const endpointPort = 8080
/** 10.96.0.0 */
const firstService = 0x0a60_0000
/** 10.128.0.0 */
const firstEndpoint = 0x0a80_0000
/** NFT_GOTO, include/uapi/linux/netfilter/nf_tables.h. */
const verdictGoto = -4

/** ipv4_addr . inet_proto . inet_service, each padded to 4 bytes. */
const frontendBytes = 12
const slotKeyBytes = frontendBytes + 4
/** ipv4_addr . inet_service. */
const endpointBytes = 8

/** Map from frontend to the chain for its number of slots. */
export const servicesMap = {
  family: 'ip',
  table: table.name,
  name: 'services',
  key: ['ipv4_addr', 'inet_proto', 'inet_service'],
  data: 'verdict'
} as const

/** Map from frontend and slot to the endpoint. */
export const endpointsMap = {
  family: 'ip',
  table: table.name,
  name: 'endpoints',
  key: ['ipv4_addr', 'inet_proto', 'inet_service', 'host_integer32'],
  data: ['ipv4_addr', 'inet_service'],
  typeof: { key: ['ip daddr', 'meta l4proto', 'th dport', 'numgen random'], data: ['ip daddr', 'th dport'] }
} as const

/** How many endpoints, and whether the maps declare how many elements they will hold at most. */
export interface ServicesOptions {
  /** A multiple of {@link endpointsPerService}. */
  readonly endpoints: number
  readonly sized: boolean
}

/** A declared size, with room to grow. */
const sizeFor = (elements: number): number => elements * 2

/** The whole table in nft's language. */
export function servicesScript({ endpoints, sized }: ServicesOptions): string {
  const size = (elements: number): string => (sized ? `size ${sizeFor(elements)};` : '')
  const services = Array.from(
    { length: endpoints / endpointsPerService },
    (_, index) => `${dottedQuad(firstService + index)} . tcp . ${servicePort} : goto lb`
  )
  const slots = Array.from(
    { length: endpoints },
    (_, index) => `${slotText(index)} : ${dottedQuad(firstEndpoint + index)} . ${endpointPort}`
  )
  return `table ip ${table.name} {
  map services { type ipv4_addr . inet_proto . inet_service : verdict; ${size(services.length)} elements = { ${services.join(',\n')} }; }
  map endpoints {
    typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport
    ${size(slots.length)}
    elements = { ${slots.join(',\n')} }
  }
  chain lb {
    meta l4proto tcp dnat ip to ip daddr . meta l4proto . th dport . numgen random mod ${endpointsPerService} map @endpoints
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr . meta l4proto . th dport vmap @services
  }
}
`
}

function slotText(index: number): string {
  const service = dottedQuad(firstService + Math.floor(index / endpointsPerService))
  return `${service} . tcp . ${servicePort} . ${index % endpointsPerService}`
}

/** nft's text that moves the endpoint of slot `index` to another address. */
export function moveScript(index: number, from: number, to: number): string {
  const map = `ip ${table.name} endpoints`
  const element = (offset: number): string => `${slotText(index)} : ${dottedQuad(firstEndpoint + offset)} . ${endpointPort}`
  return `delete element ${map} { ${element(from)} }\nadd element ${map} { ${element(to)} }\n`
}

/** Columns of the map `services`. */
export function serviceColumns(services: number): {
  rows: number
  key: Uint8Array
  verdict: Int32Array
  verdictChain: Uint32Array
  verdictChainTable: string[]
} {
  const key = new Uint8Array(services * frontendBytes)
  const view = new DataView(key.buffer)
  for (let row = 0; row < services; row += 1) putFrontend(view, row * frontendBytes, row)
  const verdict = new Int32Array(services).fill(verdictGoto)
  return { rows: services, key, verdict, verdictChain: new Uint32Array(services), verdictChainTable: ['lb'] }
}

/** Columns of the map `endpoints`: slots from `first` on; the endpoint of slot n is the one with number n + `shift`. */
export function endpointColumns(
  first: number,
  rows: number,
  shift = 0
): { rows: number; key: Uint8Array; data: Uint8Array; dataOffsets: Uint32Array } {
  const key = new Uint8Array(rows * slotKeyBytes)
  const data = new Uint8Array(rows * endpointBytes)
  const keys = new DataView(key.buffer)
  const values = new DataView(data.buffer)
  for (let row = 0; row < rows; row += 1) {
    const index = first + row
    putFrontend(keys, row * slotKeyBytes, Math.floor(index / endpointsPerService))
    // Written by numgen in host order.
    new Uint32Array(key.buffer, row * slotKeyBytes + frontendBytes, 1)[0] = index % endpointsPerService
    values.setUint32(row * endpointBytes, firstEndpoint + index + shift)
    values.setUint16(row * endpointBytes + 4, endpointPort)
  }
  return { rows, key, data, dataOffsets: Uint32Array.from({ length: rows + 1 }, (_, row) => row * endpointBytes) }
}

function putFrontend(view: DataView, offset: number, service: number): void {
  view.setUint32(offset, firstService + service)
  view.setUint8(offset + 4, protocolTcp)
  view.setUint16(offset + 8, servicePort)
}

type TransactionOf = ReturnType<Awaited<ReturnType<Netplane['Nftables']['open']>>['transaction']>

/** Queues table, maps, chains and rules, without elements. */
export function addServicesFrame({ add }: TransactionOf, { endpoints, sized }: ServicesOptions): void {
  const size = (elements: number): { size?: number } => (sized ? { size: sizeFor(elements) } : {})
  add.table(table)
  add.map({ ...servicesMap, ...size(endpoints / endpointsPerService) })
  add.map({ ...endpointsMap, ...size(endpoints) })
  const chain = (name: string): { family: 'ip'; table: string; name: string } => ({ family: 'ip', table: table.name, name })
  add.chain(chain('lb'))
  add.chain({ ...chain('prerouting'), type: 'nat', hook: 'prerouting', priority: 'dstnat', policy: 'accept' })
  const { isTcp, frontend, slot, lookup, dnat } = ruleParts
  const expressions = [...isTcp, ...frontend, slot(endpointsPerService), lookup('endpoints', 1), dnat]
  add.rule({ family: 'ip', table: table.name, chain: 'lb', expressions })
  add.rule({ family: 'ip', table: table.name, chain: 'prerouting', expressions: [...frontend, lookup('services', 0)] })
}
