import { expect, it } from 'vitest'
import { asSingleMessages, datagramsOf, messagesOf } from '../../../bench/frame/recordings.js'
import { withoutFlowIds } from '../../../bench/subjects/conntrack-recording.js'

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

it('sends each message of a recording alone and asks for an answer to each, but for dumps, which answer by themselves', () => {
  const plain = message(CT_NEW, tuple)
  const dump = message(1, attribute(3, Buffer.alloc(1)))
  dump.writeUInt16LE(0x301, 6)
  const single = [...datagramsOf(asSingleMessages(datagram(plain, dump)))]
  expect(single.map(({ datagram: bytes }) => [...messagesOf(bytes)].length)).toEqual([1, 1])
  expect(single.map(({ datagram: bytes }) => bytes.readUInt16LE(6))).toEqual([4, 0x301])
  // NLMSG_ALIGN.
  expect(single.map(({ datagram: bytes }) => bytes.length)).toEqual([plain.length, dump.length].map((length) => (length + 3) & ~3))
  expect(single.every(({ header, datagram: bytes }) => header.readUInt32LE(24) === bytes.length)).toBe(true)
})
