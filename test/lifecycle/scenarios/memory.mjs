// Memory that crosses: columns are copied by the call that takes them, results belong to JS alone.
import assert from 'node:assert/strict'
import { elementsOperation, operation as makeOperation, tableOperation, text } from './operations.mjs'
import { addresses, commit, deadlineMs, deleteTable, open, setBatch, valueOf } from './support.mjs'

const rows = 20_000
const operation = elementsOperation('memory')
const socket = await open()
const list = async () =>
  valueOf(await socket.list({ family: 'ip', table: 'memory', elements: true, deadlineMs })).takeElements(0, 1)[0].chunks
const sorted = (chunks) =>
  chunks.flatMap(({ key }) => Array.from({ length: key.length / 4 }, (_, row) => key.slice(row * 4, row * 4 + 4).join('.'))).sort()

const columns = addresses(rows)
const expected = sorted([columns])
await commit(setBatch(socket, 'memory', 0))
const batch = socket.beginBatch()
assert.equal(batch.addElements(operation, columns), undefined)
columns.key.fill(255)
globalThis.structuredClone(columns.key, { transfer: [columns.key.buffer] })
assert.equal(columns.key.length, 0, 'transferred away')
await commit(batch)
const chunks = await list()
assert.deepEqual(sorted(chunks), expected)

// A batch can be committed again, but not added to.
assert.notEqual(batch.addElements(operation, addresses(1)), undefined)
await commit(batch)

// Arrays whose memory is gone or shared, and sizes that lie.
const add = (bad) => socket.beginBatch().addElements(operation, bad)?.path
assert.equal(add(columns), 'key')
assert.equal(add({ rows: 2, key: new Uint8Array(new SharedArrayBuffer(8)) }), undefined)
assert.equal(add({ rows: 3, key: new Uint8Array(8) }), 'key')
assert.equal(add({ rows: 1, key: new Uint16Array(2) }), 'key')
assert.equal(add({ rows: 1 }), 'key')
assert.equal(add({ rows: -1, key: new Uint8Array(0) }), 'rows')
assert.equal(add({ rows: 1e12, key: new Uint8Array(4) }), 'rows')
assert.equal(add({ rows: 1, key: new Uint8Array(4), kye: new Uint8Array(4) }), 'kye')
assert.equal(add({ rows: 1, key: new Uint8Array(4), data: new Uint8Array(4) }), 'dataOffsets')
assert.equal(add({ rows: 1, key: new Uint8Array(4), data: new Uint8Array(4), dataOffsets: new Uint32Array([0, 400]) }), 'data')
assert.equal(add({ rows: 1, key: new Uint8Array(4), data: new Uint8Array(4), dataOffsets: new Uint32Array([2, 1]) }), 'data')
assert.equal(add({ rows: 1, key: new Uint8Array(4), verdictChain: new Uint32Array([1]), verdictChainTable: ['a'] }), 'verdictChain')
assert.equal(
  add({ rows: 1, key: new Uint8Array(4), verdictChain: new Uint32Array([0]), verdictChainTable: ['a\0b'] }),
  'verdictChainTable[0]'
)
assert.throws(
  () =>
    add({
      rows: 1,
      get key() {
        throw new RangeError('mine')
      }
    }),
  /mine/
)
for (const thrown of [null, undefined, Symbol('s'), 7, new RangeError('mine')]) {
  const fail = () => {
    throw thrown
  }
  const hostile = [
    new Proxy({ rows: 1, key: new Uint8Array(4) }, { ownKeys: fail }),
    new Proxy({ rows: 1, key: new Uint8Array(4) }, { get: fail }),
    {
      rows: 1,
      get key() {
        return fail()
      }
    }
  ]
  for (const columns of hostile)
    assert.throws(
      () => add(columns),
      (error) => error === thrown
    )
  assert.throws(
    () => socket.list(new Proxy({}, { get: fail })),
    (error) => error === thrown
  )
}
const trap = {
  get rows() {
    trap.key = new Uint8Array(1)
    return 1
  },
  key: new Uint8Array(4)
}
assert.equal(add(trap), undefined, 'one read of each size: getters that change their mind are read as they answer')

assert.equal(add({ rows: NaN, key: new Uint8Array(4) }), 'rows')

// Operations that are none: other types, memory that is gone, lengths that lie, verbs and kinds that nobody knows, fields that are missing.
const table = tableOperation('add', 'memory')
const refusal = (run) => socket.beginBatch().add(run, false)
const changed = (at, value) => refusal(table.with(at, value))
assert.equal(refusal(table), undefined)
assert.equal(refusal(new Uint8Array(0)), undefined, 'no operations are all right')
for (const value of [undefined, null, 7, 'table', {}, [...table], new Uint16Array(8), new DataView(table.buffer), table.buffer])
  assert.equal(refusal(value).allowed, 'a Uint8Array of operations')
const gone = table.slice()
globalThis.structuredClone(gone, { transfer: [gone.buffer] })
assert.equal(refusal(gone), undefined, 'nothing is left of it')
for (let length = 1; length < table.length; length += 1) assert.equal(refusal(table.subarray(0, length)).index, 0, `${length} bytes`)
assert.equal(refusal(Uint8Array.from([...table, ...table, 1])).index, 2)
for (const [at, value] of [
  [0, 0],
  [0, 7],
  [0, 255],
  [3, 255],
  [4, 7],
  [5, 7],
  [5, 255],
  [8, 0],
  [8, 3],
  [8, 255],
  [9, 255]
])
  assert.equal(changed(at, value).path, '', `byte ${at} is ${value}`)
assert.equal(refusal(makeOperation('add', 'set', [text(1, 'memory'), text(2, 'addresses')])).path, 'keyLength')
assert.equal(refusal(makeOperation('add', 'table', [])).path, 'name')
const shared = new Uint8Array(new SharedArrayBuffer(table.length))
shared.set(table)
assert.equal(refusal(shared), undefined)

// Results are JS's own: they outlive socket and listing, and can be written to and transferred.
await deleteTable(socket, 'memory')
socket.close()
globalThis.gc()
assert.deepEqual(sorted(chunks), expected)
for (const { key } of chunks) globalThis.structuredClone(key.fill(7), { transfer: [key.buffer] })
console.log('ok')
