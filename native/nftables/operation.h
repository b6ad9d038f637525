// Single operations: what they need, and how emptying one kind is a message of another. The codec's own.
#ifndef NETPLANE_NFTABLES_OPERATION_H_
#define NETPLANE_NFTABLES_OPERATION_H_

#include <string>

#include "netlink/message_writer.h"
#include "nftables/commit.h"

namespace netplane::nftables {

/// Appends the attributes of a flush: those of NFT_MSG_DELRULE or NFT_MSG_DELSETELEM that name what is emptied.
void EncodeFlush(const Operation& operation, MessageWriter& writer);
/// The field of the operation's record that the byte at `offset` of a flush's attributes came from; empty where none.
std::string LocateFlush(const Operation& operation, ByteView attributes, size_t offset);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_OPERATION_H_
