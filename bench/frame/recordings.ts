/** Bytes of struct recording_header (bench/floor/recording.h), whose last field is the length of the datagram that follows. */
const headerBytes = 28
const lengthAt = 24
/** Where struct nlmsghdr has its flags, and what asks for an answer (include/uapi/linux/netlink.h). */
const flagsAt = 6
const NLM_F_ACK = 4
const NLM_F_DUMP = 0x300

/** The messages of a datagram. */
export function* messagesOf(datagram: Buffer): Generator<Buffer> {
  for (let at = 0; at < datagram.length;) {
    const length = datagram.readUInt32LE(at)
    yield datagram.subarray(at, at + length)
    at += (length + 3) & ~3
  }
}

/** The datagrams of a recording, each with its header. */
export function* datagramsOf(recording: Buffer): Generator<{ readonly header: Buffer; readonly datagram: Buffer }> {
  for (let at = 0; at < recording.length;) {
    const header = Buffer.from(recording.subarray(at, at + headerBytes))
    const end = at + headerBytes + header.readUInt32LE(lengthAt)
    yield { header, datagram: recording.subarray(at + headerBytes, end) }
    at = end
  }
}

/** A recorded datagram of other messages. */
export function withMessages(header: Buffer, messages: readonly Buffer[]): Buffer {
  const own = Buffer.from(header)
  // A message of an odd length is filled up, even the last (NLMSG_ALIGN).
  const parts = messages.flatMap((message) => [message, Buffer.alloc(-message.length & 3)])
  own.writeUInt32LE(
    parts.reduce((sum, { length }) => sum + length, 0),
    lengthAt
  )
  return Buffer.concat([own, ...parts])
}

/** A recording with a datagram and an acknowledgement for every message: what a library sends that makes a call of each. */
export function asSingleMessages(recording: Buffer): Buffer {
  const parts: Buffer[] = []
  for (const { header, datagram } of datagramsOf(recording)) {
    for (const message of messagesOf(datagram)) {
      const single = Buffer.from(message)
      const flags = single.readUInt16LE(flagsAt)
      if ((flags & NLM_F_DUMP) === 0) single.writeUInt16LE(flags | NLM_F_ACK, flagsAt)
      parts.push(withMessages(header, [single]))
    }
  }
  return Buffer.concat(parts)
}
