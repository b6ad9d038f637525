// What the scenarios share. Each scenario is a program of its own: it fails by an assertion, a crash or a hang, all of which show in its exit status.
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { elementsOperation, setOperation, tableOperation } from './operations.mjs'

export const addonPath = path.resolve(
  process.env.NETPLANE_ADDON_PATH ?? path.join(import.meta.dirname, '../../../build/Release/netplane.node')
)
export const addon = createRequire(import.meta.url)(addonPath)
export const deadlineMs = 30_000

/** The value of an outcome. */
export function valueOf(outcome) {
  assert.equal(outcome.failure, undefined, JSON.stringify(outcome.failure))
  return outcome.value
}

export const open = async (from = addon) => valueOf(await from.openNftables({ deadlineMs }))

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `probe` is true; fails, naming `what`, after `timeoutMs`. */
export async function until(what, probe, timeoutMs = 30_000) {
  const end = performance.now() + timeoutMs
  while (!(await probe())) {
    assert.ok(performance.now() < end, `after ${timeoutMs} ms still not: ${what}`)
    await sleep(2)
  }
}

/** Sockets that this process has open. */
export function sockets() {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch (error) {
      // ENOENT: the descriptor of the listing itself, or one that a pool thread has closed meanwhile.
      assert.equal(error.code, 'ENOENT')
      return false
    }
  }).length
}

export const untilSockets = (count) => until(`${count} open sockets`, () => sockets() === count)

/** Columns with the addresses 10.0.0.0, 10.0.0.1 and so on. */
export function addresses(rows) {
  const key = new Uint8Array(rows * 4)
  const view = new DataView(key.buffer)
  for (let row = 0; row < rows; row += 1) view.setUint32(row * 4, 0x0a000000 + row)
  return { rows, key }
}

/** A batch that adds a table with a set of addresses. */
export function setBatch(socket, table, rows) {
  const batch = socket.beginBatch()
  const complaints = [
    batch.add(tableOperation('add', table), false),
    batch.add(setOperation(table), false),
    batch.addElements(elementsOperation(table), addresses(rows))
  ]
  assert.deepEqual(complaints, [undefined, undefined, undefined])
  return batch
}

/** Commits a batch that must be applied. */
export async function commit(batch, options = {}) {
  const result = await batch.commit({ deadlineMs, ...options })
  assert.ok(result.applied, JSON.stringify(result))
  return result
}

export function deleteTable(socket, table) {
  const batch = socket.beginBatch()
  assert.equal(batch.add(tableOperation('delete', table), false), undefined)
  return commit(batch)
}

/** Starts a monitor that collects into `events`. */
export async function monitor(events, options = {}) {
  return valueOf(
    await addon.monitorNftables({ deadlineMs, ...options }, (batch, failure) => {
      assert.equal(failure, undefined)
      events.push(...batch)
    })
  )
}
