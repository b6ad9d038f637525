import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs/minimal.js'
import { expect, it } from 'vitest'
import { KEPT, type Parts } from '../../../../../../../examples/proxy/kubernetes/prune.js'
import type { KubernetesObject } from '../../../../../../../examples/proxy/kubernetes/types.js'
import { ACCEPTED, encodingNamed, encodingOf } from '../../../../../../../examples/proxy/sources/api/encoding/choose.js'
import { JsonEvents, JsonList } from '../../../../../../../examples/proxy/sources/api/encoding/json.js'
import { ProtobufEvents, ProtobufList, statusOf } from '../../../../../../../examples/proxy/sources/api/encoding/protobuf.js'
import { MESSAGES } from '../../../../../../../examples/proxy/sources/api/encoding/protobuf-messages.js'
import type { Fields } from '../../../../../../../examples/proxy/sources/api/encoding/protobuf-fields.js'
import type { ListReader } from '../../../../../../../examples/proxy/sources/api/encoding/types.js'
import { LostError } from '../../../../../../../examples/proxy/sources/api/errors.js'
import { Random } from '../../../../../../support/random.js'

type Kind = KubernetesObject['kind']

/** What kube-apiserver 1.37.2 gave for `EVERY_FIELD`: `NETPLANE_RECORD=FOLDER npm run test:cluster -- encodings` writes it anew. */
function golden(kind: Kind, format: 'pb' | 'json'): Buffer {
  return readFileSync(new URL(`goldens/${kind}.${format}`, import.meta.url))
}

const KINDS = Object.keys(MESSAGES) as Kind[]

/** A list in pieces of these sizes. */
function readIn(reader: ListReader, bytes: Buffer, sizes: readonly number[]): unknown {
  const items: unknown[] = []
  for (let [from, turn] = [0, 0]; from < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!
    items.push(...reader.add(bytes.subarray(from, from + size)))
    from += size
  }
  const list = reader.end() as { readonly items: readonly unknown[] }
  return { ...list, items: [...items, ...list.items] }
}

it.each(KINDS)('reads a list of kind %s as the same list in JSON, in whatever pieces it comes', (kind) => {
  const [bytes, json] = [golden(kind, 'pb'), golden(kind, 'json')]
  const expected = readIn(new JsonList(kind), json, [json.length]) as { readonly items: readonly unknown[] }
  expect(expected.items.length).toBeGreaterThan(0)
  for (const sizes of [[bytes.length], [1], [7, 1, 300], [4096]])
    expect(readIn(new ProtobufList(kind), bytes, sizes)).toStrictEqual({
      ...expected,
      metadata: { resourceVersion: expect.any(String) as string }
    })
})

it('knows a number for each part that is kept, but for those that an API does not have', () => {
  const unknown: string[] = []
  const compare = (parts: Parts, fields: Fields | undefined, path: string): void => {
    if (typeof parts !== 'object' || fields === undefined) return
    for (const [name, inner] of Object.entries(Array.isArray(parts) ? ((parts as readonly [Parts])[0] as object) : parts) as [
      string,
      Parts
    ][]) {
      const type = fields[name]?.[1]
      if (type === undefined) unknown.push(`${path}.${name}`)
      else if (typeof type === 'object') compare(inner, 'message' in type ? type.message : type.messages, `${path}.${name}`)
    }
  }
  for (const kind of KINDS) compare(KEPT[kind], MESSAGES[kind], kind)
  expect(unknown).toEqual(['EndpointSlice.endpoints.weight'])
})

it('takes no list for whole that ends too early, and tells broken bytes in one way', () => {
  const random = new Random(20_261_202)
  for (const kind of KINDS) {
    const bytes = golden(kind, 'pb')
    for (let end = 0; end < bytes.length - 4; end += 3)
      expect(() => readIn(new ProtobufList(kind), bytes.subarray(0, end), [50])).toThrow(LostError)
    for (let round = 0; round < 3000; round++) {
      const broken = Buffer.from(bytes)
      for (let count = 1 + random.below(4); count > 0; count--) broken[random.below(broken.length)] = random.below(256)
      try {
        readIn(new ProtobufList(kind), broken, [1 + random.below(500)])
      } catch (error) {
        expect(error).toBeInstanceOf(LostError)
      }
    }
  }
  expect(() => new ProtobufList('Node').add(Buffer.from('{"kind":"NodeList"}'))).toThrow('does not begin as one')
})

const { Writer } = protobuf

/** An object in its envelope. */
function enveloped(kind: string, raw: Uint8Array): Buffer {
  const type = Writer.create().uint32(10).string('v1').uint32(18).string(kind).finish()
  return Buffer.concat([Buffer.from('k8s\0'), Writer.create().uint32(10).bytes(type).uint32(18).bytes(raw).uint32(26).string('').finish()])
}

function frame(type: string, object: Buffer): Buffer {
  const extension = Writer.create().uint32(10).bytes(object).finish()
  const event = Writer.create().uint32(10).string(type).uint32(18).bytes(extension).finish()
  const length = Buffer.alloc(4)
  length.writeUInt32BE(event.length)
  return Buffer.concat([length, event])
}

const METADATA = Writer.create().uint32(10).string('a').uint32(26).string('shop').uint32(50).string('7').finish()
const slice = enveloped('EndpointSlice', Writer.create().uint32(10).bytes(METADATA).uint32(34).string('IPv4').finish())
const cause = Writer.create().uint32(10).string('NamespaceTerminating').finish()
const status = enveloped(
  'Status',
  Writer.create()
    .uint32(26)
    .string('too old')
    .uint32(34)
    .string('Expired')
    .uint32(42)
    .bytes(Writer.create().uint32(34).bytes(cause).uint32(40).int32(3).finish())
    .uint32(48)
    .int32(410)
    .finish()
)

it('reads events one by one, in whatever pieces they come', () => {
  const bytes = Buffer.concat([frame('ADDED', slice), frame('BOOKMARK', slice), frame('ERROR', status)])
  const object = {
    kind: 'EndpointSlice',
    metadata: { name: 'a', namespace: 'shop', resourceVersion: '7' },
    addressType: 'IPv4',
    endpoints: []
  }
  for (const size of [1, 5, bytes.length]) {
    const events = new ProtobufEvents('EndpointSlice')
    const seen = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => [
      ...events.add(bytes.subarray(at * size, (at + 1) * size))
    ])
    expect(seen.flat()).toEqual([
      { type: 'ADDED', object },
      { type: 'BOOKMARK', object },
      {
        type: 'ERROR',
        object: {
          kind: 'Status',
          message: 'too old',
          reason: 'Expired',
          code: 410,
          details: { causes: [{ reason: 'NamespaceTerminating' }], retryAfterSeconds: 3 }
        }
      }
    ])
  }
})

/** An EndpointSlice with an annotation that nobody reads. */
function largeSlice(bytes: number): Uint8Array {
  const annotation = Writer.create().uint32(10).string('note').uint32(18).string('x'.repeat(bytes)).finish()
  const metadata = Buffer.concat([METADATA, Writer.create().uint32(98).bytes(annotation).finish()])
  return Writer.create().uint32(10).bytes(metadata).uint32(34).string('IPv4').finish()
}

it('takes time that grows with an object, in however small pieces it comes', () => {
  const raw = largeSlice(4_000_000)
  const listMetadata = Writer.create().uint32(18).string('9').finish()
  const listed = Writer.create().uint32(10).bytes(listMetadata).uint32(18).bytes(raw).uint32(18).bytes(raw).finish()
  const list = readIn(new ProtobufList('EndpointSlice'), enveloped('EndpointSliceList', listed), [100])
  expect((list as { readonly items: readonly unknown[] }).items).toHaveLength(2)
  const bytes = frame('ADDED', enveloped('EndpointSlice', raw))
  const events = new ProtobufEvents('EndpointSlice')
  const seen: unknown[] = []
  for (let from = 0; from < bytes.length; from += 100) seen.push(...events.add(bytes.subarray(from, from + 100)))
  expect(seen).toHaveLength(1)
}, 8_000)

it('waits for no envelope, and for no object, that is longer than any', () => {
  const list = new ProtobufList('Node')
  const announced = Buffer.from('k8s\0\x0a\xff\xff\xff\x7f', 'latin1')
  expect(() => readIn(list, Buffer.concat([announced, Buffer.alloc(100_000)]), [1000])).toThrow('an envelope of protobuf has no content')
  const item = Buffer.from('k8s\0\x12\xff\xff\xff\x7f\x12\xff\xff\xff\x6f', 'latin1')
  expect(() => new ProtobufList('Node').add(item)).toThrow('an object has more than')
})

it('gives the events before one that cannot be understood', () => {
  const broken: readonly [bytes: Buffer, words: string][] = [
    [frame('ADDED', enveloped('Pod', METADATA)), 'an object of kind "Pod" in protobuf'],
    [frame('ADDED', enveloped('Node', METADATA)), 'an object of kind "Node" in protobuf'],
    [frame('ADDED', Buffer.from('{}')), 'does not begin as one'],
    [frame('ADDED', slice.subarray(0, -9)), 'ends too early'],
    [Buffer.from([0, 0, 0, 2, 10, 200]), 'none of protobuf'],
    [Buffer.from([255, 0, 0, 2]), 'has more than']
  ]
  for (const [bytes, words] of broken) {
    const seen: unknown[] = []
    const read = (): void => {
      for (const event of new ProtobufEvents('EndpointSlice').add(Buffer.concat([frame('ADDED', slice), bytes]))) seen.push(event)
    }
    expect(read).toThrow(LostError)
    expect(read).toThrow(words)
    expect(seen).toHaveLength(2)
  }
})

it('reads what an answer says of an error', () => {
  expect(statusOf(status)).toMatchObject({ message: 'too old', code: 410 })
  for (const other of [slice, Buffer.alloc(0), Buffer.from('<html>'), status.subarray(0, 20)]) expect(statusOf(other)).toBeUndefined()
})

it('names what it asks for, and knows what it got', () => {
  expect(ACCEPTED).toEqual({ protobuf: 'application/vnd.kubernetes.protobuf,application/json', json: 'application/json' })
  expect(encodingOf('application/vnd.kubernetes.protobuf;stream=watch')?.events('Node')).toBeInstanceOf(ProtobufEvents)
  expect(encodingOf('Application/JSON; charset=utf-8')?.events('Node')).toBeInstanceOf(JsonEvents)
  expect(['text/html', '', 'application/cbor'].map(encodingOf)).toEqual([undefined, undefined, undefined])
  expect(['a,application/json;q=1, application/vnd.kubernetes.protobuf', '*/*', ''].map(encodingNamed)).toEqual([
    'json',
    undefined,
    undefined
  ])
})
