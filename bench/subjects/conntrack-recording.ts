/** Bytes of struct recording_header (bench/floor/recording.h), whose last field is the length of the datagram that follows. */
const headerBytes = 28
const lengthAt = 24
/** struct nlmsghdr. */
const messageHeaderBytes = 16
/** NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE (include/uapi/linux/netfilter/nfnetlink_conntrack.h). */
const deleteMessage = (1 << 8) | 2
const CTA_ID = 12
/** struct nlattr and an integer of 32 bits. */
const idBytes = 8

/** A deletion without the id that is its last attribute; any other message as it is. */
function withoutId(message: Buffer): Buffer {
  const at = message.length - idBytes
  const isCut =
    message.readUInt16LE(4) === deleteMessage &&
    at > messageHeaderBytes &&
    message.readUInt16LE(at) === idBytes &&
    message.readUInt16LE(at + 2) === CTA_ID
  if (!isCut) return message
  const shorter = Buffer.from(message.subarray(0, at))
  shorter.writeUInt32LE(at, 0)
  return shorter
}

function* messages(datagram: Buffer): Generator<Buffer> {
  for (let at = 0; at < datagram.length;) {
    const length = datagram.readUInt32LE(at)
    yield datagram.subarray(at, at + length)
    at += (length + 3) & ~3
  }
}

/**
 * A recording whose deletions do not name a flow's id: a replay meets the same tuples, but the kernel gives every flow an id of its own, and would find none
 * of those that were recorded. Every message of ctnetlink is a multiple of 4 bytes.
 */
export function withoutFlowIds(recording: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < recording.length;) {
    const header = Buffer.from(recording.subarray(at, at + headerBytes))
    const end = at + headerBytes + header.readUInt32LE(lengthAt)
    const shorter = [...messages(recording.subarray(at + headerBytes, end))].map(withoutId)
    header.writeUInt32LE(
      shorter.reduce((sum, { length }) => sum + length, 0),
      lengthAt
    )
    parts.push(header, ...shorter)
    at = end
  }
  return Buffer.concat(parts)
}
