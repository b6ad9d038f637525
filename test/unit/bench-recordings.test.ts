import { expect, it } from 'vitest'
import { withoutFlowIds } from '../../bench/subjects/conntrack-recording.js'

/** struct nlmsghdr, struct nfgenmsg, attributes. */
function message(type: number, ...attributes: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(20), ...attributes])
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(type, 4)
  return bytes
}

function attribute(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt16LE(4 + payload.length, 0)
  header.writeUInt16LE(type, 2)
  return Buffer.concat([header, payload])
}

/** struct recording_header and a datagram. */
function datagram(...messages: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(messages)
  const header = Buffer.alloc(28, 7)
  header.writeUInt32LE(bytes.length, 24)
  return Buffer.concat([header, bytes])
}

const CT_DELETE = 0x102
const CT_NEW = 0x100
const tuple = attribute(1, Buffer.from('0123456789ab'))
const id = attribute(12, Buffer.from('abcd'))

it('takes the ids out of recorded deletions, and leaves everything else as it is', () => {
  const create = message(CT_NEW, tuple, id)
  const before = Buffer.concat([datagram(create), datagram(message(CT_DELETE, tuple, id), message(CT_DELETE, tuple))])
  const after = Buffer.concat([datagram(create), datagram(message(CT_DELETE, tuple), message(CT_DELETE, tuple))])
  expect(withoutFlowIds(before).equals(after)).toBe(true)
})
