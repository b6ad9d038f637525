import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { backendAddress } from './topology.js'

/** The service the demo balances. */
export const SERVICE_ADDRESS = '10.96.0.10'

export interface Backend {
  readonly number: number
  readonly weight?: number
}

/** Under another name first: a reader never sees half a file. */
function writeWhole(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, `.${name}`), text)
  renameSync(join(folder, `.${name}`), join(folder, name))
}

function serviceOf(name: string, clusterIP: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }
  }
}

function sliceOf(name: string, endpoints: readonly unknown[]): unknown {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
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
