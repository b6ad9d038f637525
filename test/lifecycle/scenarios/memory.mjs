// Memory that crosses: columns are copied by the call that takes them, results belong to JS alone.
import assert from 'node:assert/strict'
import { addresses, commit, deadlineMs, deleteTable, open, setBatch, valueOf } from './support.mjs'

const rows = 20_000
const socket = await open()
const list = async () =>
  valueOf(await socket.list({ family: 'ip', table: 'memory', elements: true, deadlineMs })).takeElements(0, 1)[0].chunks
const sorted = (chunks) =>
  chunks.flatMap(({ key }) => Array.from({ length: key.length / 4 }, (_, row) => key.slice(row * 4, row * 4 + 4).join('.'))).sort()

const columns = addresses(rows)
const expected = sorted([columns])
await commit(setBatch(socket, 'memory', 0))
const batch = socket.beginBatch()
assert.equal(batch.addElements('add', 'ip', { table: 'memory', set: 'addresses' }, columns), undefined)
columns.key.fill(255)
globalThis.structuredClone(columns.key, { transfer: [columns.key.buffer] })
assert.equal(columns.key.length, 0, 'transferred away')
await commit(batch)
const chunks = await list()
assert.deepEqual(sorted(chunks), expected)

// A batch can be committed again, but not added to.
assert.notEqual(batch.addElements('add', 'ip', { table: 'memory', set: 'addresses' }, addresses(1)), undefined)
await commit(batch)

// Arrays whose memory is gone or shared, and sizes that lie.
const add = (bad) => socket.beginBatch().addElements('add', 'ip', { table: 'memory', set: 'addresses' }, bad)?.path
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
  const table = new Proxy({ name: 'memory' }, { ownKeys: fail })
  assert.throws(
    () => socket.beginBatch().add('add', 'table', 'ip', table, false),
    (error) => error === thrown
  )
  const list = {
    table: 'memory',
    chain: 'c',
    expressions: [
      {
        get type() {
          return fail()
        }
      }
    ]
  }
  assert.throws(
    () => socket.beginBatch().add('add', 'rule', 'ip', list, false),
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

// A list that says any length without holding anything is refused before memory is asked for.
const endless = (expressions) => socket.beginBatch().add('add', 'rule', 'ip', { table: 'memory', chain: 'c', expressions }, false)
for (const length of [20_000, 1e9, 2 ** 32 - 1]) assert.equal(endless(new Array(length)).path, 'expressions')
assert.equal(endless(new Array(16_000)).path, 'expressions[0]')
assert.equal(add({ rows: NaN, key: new Uint8Array(4) }), 'rows')

// Objects that hold themselves.
const rule = { table: 'memory', chain: 'c', expressions: [] }
const cyclic = { type: 'dynset', set: 'addresses', op: 'add', keyRegister: 1, expressions: [] }
cyclic.expressions.push(cyclic)
rule.expressions.push(cyclic)
assert.match(socket.beginBatch().add('add', 'rule', 'ip', rule, false).allowed, /16 levels/)

// Results are JS's own: they outlive socket and listing, and can be written to and transferred.
await deleteTable(socket, 'memory')
socket.close()
globalThis.gc()
assert.deepEqual(sorted(chunks), expected)
for (const { key } of chunks) globalThis.structuredClone(key.fill(7), { transfer: [key.buffer] })
console.log('ok')
