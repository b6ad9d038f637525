import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { findAccess } from '../../examples/proxy/sources/access/find.js'
import { ApiClient } from '../../examples/proxy/sources/api/client.js'
import type { EncodingName } from '../../examples/proxy/sources/api/encoding/choose.js'
import { JsonEvents } from '../../examples/proxy/sources/api/encoding/json.js'
import { ProtobufEvents } from '../../examples/proxy/sources/api/encoding/protobuf.js'
import type { WatchEvent } from '../../examples/proxy/sources/api/encoding/types.js'
import { statusError } from '../../examples/proxy/sources/api/errors.js'
import { CLIENT_DEFAULTS } from '../../examples/proxy/sources/api/rate.js'
import { resourcesOf, type ApiResource } from '../../examples/proxy/sources/api/resources.js'
import type { ApiObject } from '../support/kubernetes/client.js'
import { useCluster } from '../support/kubernetes/cluster.js'
import { TOKENS } from '../support/kubernetes/control-plane.js'
import { EVERY_FIELD } from '../support/kubernetes/every-field.js'
import { makeFolder } from '../support/manifests.js'

const cluster = useCluster([...EVERY_FIELD])
const { signal } = new AbortController()

/** All of each kind. */
const RESOURCES: readonly ApiResource[] = resourcesOf('node-rich').map(({ kind, path }) => ({ kind, path }))
const resourceOf = (wanted: ApiResource['kind']): ApiResource => RESOURCES.find(({ kind }) => kind === wanted)!

async function clientOf(encoding: EncodingName, token: keyof typeof TOKENS = 'admin'): Promise<ApiClient> {
  const file = join(await makeFolder(), 'token')
  writeFileSync(file, TOKENS[token])
  const access = await findAccess({ kubeconfig: cluster.plane.kubeconfig(file), master: undefined }, {})
  const client = new ApiClient(access, { ...CLIENT_DEFAULTS, qps: -1, encoding })
  onTestFinished(() => client.close())
  return client
}

interface Listed {
  readonly kind: string
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly ApiObject[]
}

/** A list with all items. */
async function listIn(client: ApiClient, resource: ApiResource, query: Readonly<Record<string, string>> = {}): Promise<Listed> {
  const items: unknown[] = []
  const end = (await client.list(resource, query, signal, (some) => void items.push(...some))) as Listed
  return { ...end, items: [...items, ...end.items] as ApiObject[] }
}

/** Why a list cannot be had. */
async function failureOf(client: ApiClient, resource: ApiResource, query: Readonly<Record<string, string>> = {}): Promise<Error> {
  return await listIn(client, resource, query).then(
    () => new Error('there is one'),
    (error: unknown) => error as Error
  )
}

/** The first events of a watch. */
async function eventsIn(encoding: EncodingName, resource: ApiResource, resourceVersion: string, count: number): Promise<WatchEvent[]> {
  const client = await clientOf(encoding)
  const { stream, events } = await client.watch(resource, { watch: '1', resourceVersion, timeoutSeconds: '60' }, 60_000, signal)
  expect(events).toBeInstanceOf(encoding === 'json' ? JsonEvents : ProtobufEvents)
  const seen: WatchEvent[] = []
  for await (const piece of stream) {
    seen.push(...events.add(piece))
    if (seen.length >= count) break
  }
  stream.destroy()
  return seen
}

it('reads the same objects in protobuf as in JSON', async () => {
  const [json, protobuf] = [await clientOf('json'), await clientOf('protobuf')]
  await cluster.plane.writer.delete(EVERY_FIELD.find(({ kind }) => kind === 'Node')!)
  const [going] = (await listIn(json, resourceOf('Node'))).items
  expect(going!.metadata).toHaveProperty('deletionTimestamp')
  for (const resource of RESOURCES) {
    const expected = await listIn(json, resource)
    const { kind, metadata, items } = await listIn(protobuf, resource)
    expect(items.length).toBeGreaterThan(0)
    expect({ kind, items }).toStrictEqual({ kind: expected.kind, items: expected.items })
    expect(metadata.resourceVersion).toMatch(/^\d+$/)
  }
  // What unit tests read, who have no server.
  const folder = process.env['NETPLANE_RECORD']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  for (const { kind, path } of RESOURCES) {
    writeFileSync(join(folder, `${kind}.pb`), await cluster.plane.writer.read(path, 'application/vnd.kubernetes.protobuf'))
    writeFileSync(join(folder, `${kind}.json`), await cluster.plane.writer.read(path, 'application/json'))
  }
})

it('reads a list in pages, and the same errors, in both', async () => {
  const told: string[] = []
  for (const encoding of ['json', 'protobuf'] as const) {
    const client = await clientOf(encoding)
    const slices = resourceOf('EndpointSlice')
    const first = await listIn(client, slices, { limit: '2' })
    const second = await listIn(client, slices, { limit: '2', continue: first.metadata.continue! })
    expect([first.items.length, second.items.length, second.metadata.continue ?? '']).toEqual([2, 1, ''])
    const stranger = await clientOf(encoding, 'reader')
    const failures = [await failureOf(stranger, slices), await failureOf(client, slices, { continue: 'nonsense' })]
    expect(failures).toMatchObject([
      { status: 403, reason: 'Forbidden' },
      { status: 400, reason: 'BadRequest' }
    ])
    told.push(...failures.map(({ message }) => message))
  }
  expect(told.slice(2)).toEqual(told.slice(0, 2))
  expect(told[0]).toContain('403: endpointslices.discovery.k8s.io is forbidden')
})

it('reads the same events in both, also an error', async () => {
  const services = resourceOf('Service')
  const { metadata } = await listIn(await clientOf('json'), services)
  const made = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'passing', namespace: 'shop' } as ApiObject['metadata'],
    spec: { ports: [{ port: 1 }] }
  }
  const { writer } = cluster.plane
  await writer.create(made)
  await writer.patch(made, { spec: { ports: [{ port: 2 }] } })
  await writer.delete(made)
  const { resourceVersion } = metadata
  const seen = [await eventsIn('json', services, resourceVersion, 3), await eventsIn('protobuf', services, resourceVersion, 3)]
  expect(seen[0]!.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
  expect(seen[1]).toStrictEqual(seen[0])
  // Before all that a server knows which has just started.
  await cluster.plane.compact()
  await cluster.plane.stopApi()
  await cluster.plane.startApi()
  const refused = [await eventsIn('json', services, resourceVersion, 1), await eventsIn('protobuf', services, resourceVersion, 1)]
  for (const [event] of refused) {
    expect(event!.type).toBe('ERROR')
    expect(statusError('GET', event!.object)).toMatchObject({ status: 410, reason: 'Expired', isGone: true })
  }
})
