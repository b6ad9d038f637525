import { datagramsOf, messagesOf, withMessages } from '../frame/recordings.js'

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

/**
 * A recording whose deletions do not name a flow's id: a replay meets the same tuples, but the kernel gives every flow an id of its own, and would find none
 * of those that were recorded.
 */
export function withoutFlowIds(recording: Buffer): Buffer {
  const datagrams = [...datagramsOf(recording)]
  return Buffer.concat(datagrams.map(({ header, datagram }) => withMessages(header, [...messagesOf(datagram)].map(withoutId))))
}
