// Single operations: how they cross from the caller's language, what they need, and how they become messages.
#ifndef NETPLANE_NFTABLES_OPERATION_H_
#define NETPLANE_NFTABLES_OPERATION_H_

#include <optional>
#include <string>
#include <vector>

#include "netlink/attribute_reader.h"
#include "netlink/message_writer.h"
#include "nftables/commit.h"

namespace netplane::nftables {

/// What an operation begins with as it crosses from the caller's language: the length of the whole (this included, a multiple of 4), then a
/// byte each for Verb, Kind and family, and one of padding. The attributes follow.
constexpr size_t kOperationHeader = 8;

/// Appends the header of an operation with so many bytes of attributes, which have to follow, padded to 4.
void PutOperationHeader(Verb verb, Kind kind, uint8_t family, size_t attributes, Bytes* run);

/// Why operations were not taken.
struct RefusedOperation {
  /// Counted from the first of the run.
  uint32_t index = 0;
  /// The field that the verb needs and the operation lacks; null where the bytes are no operations.
  const char* field = nullptr;
};
/// Appends the operations of a run, until one is refused. With `echoes` those that make something ask for it back.
std::optional<RefusedOperation> ReadOperations(ByteView run, bool echoes, std::vector<Operation>* operations);

/// An attribute of the operation, and the last of them where it comes twice, as for the kernel; nothing where it is missing.
std::optional<Attribute> FindAttribute(const Operation& operation, uint16_t type);

/// Appends the operation's attributes, but for what the kernel dumps and refuses, or needs and does not dump.
void EncodeAmended(const Operation& operation, MessageWriter& writer);

/// Appends the attributes of a flush: those of NFT_MSG_DELRULE or NFT_MSG_DELSETELEM that name what is emptied.
void EncodeFlush(const Operation& operation, MessageWriter& writer);
/// The field of the operation that the byte at `offset` of a flush's attributes came from; empty where none.
std::string LocateFlush(const Operation& operation, ByteView attributes, size_t offset);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_OPERATION_H_
