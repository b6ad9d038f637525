import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { backendAddress } from './topology.js'

/** The service the demo balances. */
export const SERVICE_ADDRESS = '10.96.0.10'
/** The service that is open to clients outside. */
export const SHOP = { address: '10.96.0.20', nodePort: 30080, loadBalancer: '203.0.113.10' } as const
/** The services that are for the shop alone. */
export const INSIDE = { api: '10.96.0.30', cache: '10.96.0.40', dns: '10.96.0.53' } as const
/** The node's name, for endpoints on it. */
export const NODE_NAME = 'node'

export interface Backend {
  readonly number: number
  readonly weight?: number
}

/** Under another name first: a reader never sees half a file. */
function writeWhole(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, `.${name}`), text)
  renameSync(join(folder, `.${name}`), join(folder, name))
}

function serviceOf(name: string, clusterIP: string, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec }
  }
}

function sliceOf(name: string, endpoints: readonly unknown[], port: object = { name: 'http', port: 8080, protocol: 'TCP' }): unknown {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [port],
    endpoints
  }
}

/** Writes the service and its endpoints, as `kubectl get service,endpointslice -o yaml` would print them. */
export function writeService(folder: string, backends: readonly Backend[]): void {
  const endpoints = backends.map(({ number, weight }) => ({
    addresses: [backendAddress(number)],
    conditions: { ready: true },
    ...(weight === undefined ? {} : { weight })
  }))
  const objects = [serviceOf('web', SERVICE_ADDRESS), sliceOf('web', endpoints)]
  writeWhole(folder, 'web.yaml', objects.map((object) => stringify(object)).join('---\n'))
}

/**
 * Writes a service with a node port and a load balancer's address. Backends 1 and 2 are on this node.
 *
 * @param spec What it asks for beyond.
 */
export function writeShop(folder: string, spec: object): void {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: SHOP.nodePort }]
  const status = { loadBalancer: { ingress: [{ ip: SHOP.loadBalancer, ipMode: 'VIP' }] } }
  const endpoints = [1, 2, 3].map((number) => ({ addresses: [backendAddress(number)], nodeName: number < 3 ? NODE_NAME : 'elsewhere' }))
  const service = { ...serviceOf('shop', SHOP.address, { type: 'LoadBalancer', ports, ...spec }), status }
  writeWhole(folder, 'shop.yaml', [service, sliceOf('shop', endpoints)].map((object) => stringify(object)).join('---\n'))
}

/** Writes the services that are for the shop alone: an api, a cache whose clients stay where they are, and names by UDP. @param backends Which of them answer. */
export function writeInside(folder: string, backends: Readonly<Record<keyof typeof INSIDE, readonly number[]>>): void {
  const endpoints = (numbers: readonly number[]): unknown[] => numbers.map((number) => ({ addresses: [backendAddress(number)] }))
  const sticky = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } }
  const objects = [
    ...[serviceOf('api', INSIDE.api), sliceOf('api', endpoints(backends.api))],
    ...[serviceOf('cache', INSIDE.cache, sticky), sliceOf('cache', endpoints(backends.cache))],
    serviceOf('dns', INSIDE.dns, { ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }),
    sliceOf('dns', endpoints(backends.dns), { name: 'dns', port: 8080, protocol: 'UDP' })
  ]
  writeWhole(folder, 'inside.yaml', objects.map((object) => stringify(object)).join('---\n'))
}

/** Writes many more services, in one JSON list. */
export function writeCrowd(folder: string, services: number, endpointsEach: number): void {
  const items: unknown[] = []
  for (let index = 0; index < services; index++) {
    const name = `crowd-${index}`
    const endpoints = Array.from({ length: endpointsEach }, (_, number) => ({
      addresses: [`10.245.${(index * endpointsEach + number) & 255}.${1 + (((index * endpointsEach + number) >> 8) % 250)}`],
      conditions: { ready: true }
    }))
    items.push(serviceOf(name, `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`), sliceOf(name, endpoints))
  }
  writeWhole(folder, 'crowd.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
}
