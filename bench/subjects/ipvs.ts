import type { RealServerSpec, Protocol } from 'netplane'
import type { Subject } from '../frame/subject.js'
import { dottedQuad } from './expressions.js'

/** How many virtual services there are, and real servers of each. */
export interface IpvsOptions {
  readonly services: number
  readonly realServers: number
}

/** 10.96.0.0 */
const firstService = 0x0a60_0000
/** 10.128.0.0 */
const firstServer = 0x0a80_0000
const servicePort = 80
const serverPort = 8080

interface OneService {
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  readonly scheduler: string
  readonly realServers: readonly (RealServerSpec & { readonly weight: number })[]
}

/** One virtual service; the real servers of all are different. */
function virtualService(index: number, realServers: number, weight = 1): OneService {
  return {
    protocol: 'tcp',
    address: dottedQuad(firstService + index),
    port: servicePort,
    scheduler: 'rr',
    realServers: Array.from({ length: realServers }, (_, at) => ({
      address: dottedQuad(firstServer + index * realServers + at),
      port: serverPort,
      weight: at === 0 ? weight : 1
    }))
  }
}

/** All virtual services. */
export const virtualServices = ({ services, realServers }: IpvsOptions): OneService[] =>
  Array.from({ length: services }, (_, index) => virtualService(index, realServers))

/** The same, as `ipvsadm -R` reads them. */
export function ipvsadmScript(options: IpvsOptions): string {
  return virtualServices(options)
    .flatMap(({ address, port, scheduler, realServers }) => [
      `-A -t ${address}:${port} -s ${scheduler}`,
      ...realServers.map((server) => `-a -t ${address}:${port} -r ${server.address}:${server.port} -m -w ${server.weight}`)
    ])
    .map((line) => `${line}\n`)
    .join('')
}

/** The first sync: all virtual services into an empty namespace. */
export const ipvsSync: Subject<IpvsOptions> = async ({ Ipvs }, netns, options) => {
  const ipvs = await Ipvs.open({ netns })
  const services = virtualServices(options)
  return {
    work: async () => {
      await ipvs.sync(services, { onError: 'atomic' })
    },
    close: () => ipvs.close()
  }
}

/** Addresses from `first` on, 16 bytes a row. */
function addressColumn(first: number, rows: number): Uint8Array {
  const column = new Uint8Array(rows * 16)
  const view = new DataView(column.buffer)
  for (let row = 0; row < rows; row += 1) view.setUint32(row * 16, first + row)
  return column
}

/** The same virtual services and real servers as columns. */
function columnsOf({ services, realServers }: IpvsOptions) {
  const rows = services * realServers
  const zeros = { upperThreshold: new Uint32Array(rows), lowerThreshold: new Uint32Array(rows) }
  const tunnel = { tunnelType: new Uint8Array(rows), tunnelPort: new Uint16Array(rows), tunnelFlags: new Uint16Array(rows) }
  return {
    services: {
      rows: services,
      family: new Uint8Array(services).fill(2),
      protocol: new Uint8Array(services).fill(6),
      address: addressColumn(firstService, services),
      port: new Uint16Array(services).fill(servicePort),
      fwmark: new Uint32Array(services),
      scheduler: new Uint32Array(services),
      schedulerTable: ['rr'],
      flags: new Uint32Array(services),
      timeoutSeconds: new Uint32Array(services),
      netmask: new Uint32Array(services).fill(0xffffffff),
      persistenceEngine: new Uint32Array(services).fill(0xffffffff),
      persistenceEngineTable: []
    },
    realServers: {
      rows,
      service: Uint32Array.from({ length: rows }, (_, row) => Math.floor(row / realServers)),
      family: new Uint8Array(rows).fill(2),
      address: addressColumn(firstServer, rows),
      port: new Uint16Array(rows).fill(serverPort),
      forwarding: new Uint8Array(rows),
      weight: new Uint32Array(rows).fill(1),
      ...zeros,
      ...tunnel
    }
  }
}

/** The same, in bulk from columns: what the way to the kernel takes, without the making of objects and plans. */
export const ipvsColumns: Subject<IpvsOptions> = async ({ Ipvs }, netns, options) => {
  const ipvs = await Ipvs.open({ netns })
  const { services, realServers } = columnsOf(options)
  return {
    work: async () => {
      await ipvs.addServices(services)
      await ipvs.addRealServers({ services, realServers })
    },
    close: () => ipvs.close()
  }
}

/** The same, a call for each virtual service and real server. */
export const ipvsCalls: Subject<IpvsOptions> = async ({ Ipvs }, netns, options) => {
  const ipvs = await Ipvs.open({ netns })
  const services = virtualServices(options)
  return {
    work: async () => {
      for (const { realServers, ...service } of services) {
        await ipvs.addService(service)
        for (const server of realServers) await ipvs.addRealServer(service, server)
      }
    },
    close: () => ipvs.close()
  }
}

/** Of full tables: everything, as objects or columns. */
export const ipvsList: Subject<IpvsOptions & { readonly as: 'objects' | 'columns' }> = async ({ Ipvs }, netns, { as, ...options }) => {
  const ipvs = await Ipvs.open({ netns, deadlineMs: 300_000 })
  await ipvs.sync(virtualServices(options), { onError: 'atomic' })
  const ways = {
    objects: async () => (await ipvs.list()).reduce((sum, { realServers }) => sum + realServers.length, 0),
    columns: async () => (await ipvs.listColumns()).realServers.rows
  }
  return {
    work: async () => {
      const found = await ways[as]()
      if (found !== options.services * options.realServers) throw new Error(`${found} real servers were listed`)
    },
    close: () => ipvs.close()
  }
}

/** A change of one weight among all services, planned or made, by what the client remembers or by what it reads. */
export interface IpvsChangeOptions extends IpvsOptions {
  readonly call: 'plan' | 'sync'
  readonly from: 'memory' | 'kernel'
}

/** Changes the weight in the middle, and changes it back with the next call. */
export const ipvsChange: Subject<IpvsChangeOptions> = async ({ Ipvs }, netns, { call, from, ...options }) => {
  const ipvs = await Ipvs.open({ netns, deadlineMs: 300_000 })
  const middle = options.services >> 1
  const before = virtualServices(options)
  const after = before.map((service, index) => (index === middle ? virtualService(index, options.realServers, 2) : service))
  await ipvs.sync(before, { onError: 'atomic' })
  let isChanged = false
  return {
    work: async () => {
      if (call === 'plan') {
        const { entries } = await ipvs.plan(after, { from })
        if (entries.length !== 1) throw new Error(`a plan of ${entries.length} entries`)
        return
      }
      isChanged = !isChanged
      const { realServers } = await ipvs.sync(isChanged ? after : before, { from, onError: 'atomic' })
      if (realServers.updated !== 1) throw new Error(`${realServers.updated} real servers were changed`)
    },
    close: () => ipvs.close()
  }
}
