import { expect, it } from 'vitest'
import { parseAddress } from '../../../../src/core/address.js'
import { Marks, nodeFrontendOf } from '../../../../src/plane/ipvs/marks.js'
import type { ExternalFrontend, NodeFrontend } from '../../../../src/index.js'

const node = (port: number): NodeFrontend => ({ kind: 'node', port })
const external = (address: string, port: number): ExternalFrontend => ({ kind: 'external', address, port, trafficPolicy: 'local' })

it('gives each port of the node, protocol and kind of clients a mark of its own, the same in every process', () => {
  const marks = new Marks()
  expect(marks.markOf('tcp', node(30_080), false)).toBe(0x6e00_7580)
  const all = new Set<number>()
  for (const protocol of ['tcp', 'udp', 'sctp'] as const)
    for (const isOutside of [false, true]) for (let port = 1; port <= 65_535; port++) all.add(marks.markOf(protocol, node(port), isOutside))
  expect(all.size).toBe(6 * 65_535)
  expect(Math.max(...[...all].filter((_, index) => index % 1000 === 0), marks.markOf('sctp', node(65_535), true))).toBeLessThan(0x6e08_0000)
})

it('says which port of the node a mark stands for', () => {
  const marks = new Marks()
  for (const protocol of ['tcp', 'udp', 'sctp'] as const)
    for (const isOutside of [false, true])
      expect(nodeFrontendOf(marks.markOf(protocol, node(30_080), isOutside), 'ip6')).toEqual({
        protocol,
        frontend: { kind: 'node', port: 30_080, family: 'ip6' }
      })
  expect(nodeFrontendOf(marks.markOf('tcp', external('203.0.113.1', 80), true), 'ip')).toBeUndefined()
  expect(nodeFrontendOf(7, 'ip')).toBeUndefined()
})

it('gives frontends with an address marks behind those, the same for all spellings, and no two the same', () => {
  const marks = new Marks()
  expect(marks.markOf('tcp', external('fd00:0::1', 80), true)).toBe(marks.markOf('tcp', external('fd00::1', 80), true))
  const first = marks.markOf('tcp', external('203.0.113.1', 80), true)
  expect(new Marks().markOf('tcp', external('203.0.113.1', 80), true)).toBe(first)
  const all = new Set<number>()
  // Enough that some hashes meet.
  for (let host = 0; host < 20_000; host++) all.add(marks.markOf('tcp', external(`198.18.${host >> 8}.${host & 255}`, 80), true))
  expect(all.size).toBe(20_000)
  for (const mark of all) expect(mark).toSatisfy((value: number) => value >= 0x6e08_0000 && value <= 0x6eff_ffff)
})

it('keeps the mark that the kernel holds for a frontend, though another hash is met', () => {
  const key = (address: string): Uint8Array => Uint8Array.of(...parseAddress(address)!, 6, 0, 0, 0, 0, 80, 0, 0)
  const hashed = new Marks().markOf('tcp', external('203.0.113.1', 80), true)
  const marks = new Marks()
  marks.adopt(key('203.0.113.2'), hashed)
  expect(marks.markOf('tcp', external('203.0.113.2', 80), true)).toBe(hashed)
  expect(marks.markOf('tcp', external('203.0.113.1', 80), true)).toBe(hashed + 1)
  // What is no mark of ours, or known, changes nothing.
  marks.adopt(key('203.0.113.3'), 7)
  marks.adopt(key('203.0.113.3'), hashed)
  marks.adopt(key('203.0.113.2'), hashed + 2)
  expect(marks.markOf('tcp', external('203.0.113.3', 80), true)).not.toBe(7)
  expect(marks.markOf('tcp', external('203.0.113.2', 80), true)).toBe(hashed)
})
