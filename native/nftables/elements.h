// Set elements: columns <-> NFTA_LIST_ELEM.
#ifndef NETPLANE_NFTABLES_ELEMENTS_H_
#define NETPLANE_NFTABLES_ELEMENTS_H_

#include "netlink/attribute_reader.h"
#include "netlink/columns.h"
#include "netlink/message_writer.h"
#include "netlink/value.h"

namespace netplane::nftables {

/// One row is one kernel element. All columns but `key` are optional; a column that no row needs is absent.
enum ElementColumn : size_t {
  kKey,              ///< kFixed: key bytes as they lie in registers (each field padded to 4).
  kKeyEnd,           ///< kFixed, same width: inclusive end of a concatenated range (NFTA_SET_ELEM_KEY_END); a row that is none has its key.
  kElementFlags,     ///< kU32: NFT_SET_ELEM_INTERVAL_END 1, NFT_SET_ELEM_CATCHALL 2 (then the key bytes are not sent).
  kData,             ///< kBlob: NFTA_DATA_VALUE; empty where the row has a verdict or none.
  kVerdict,          ///< kS32: NF_DROP 0 … NFT_GOTO -4; kNoVerdict where none.
  kVerdictChain,     ///< kSymbol.
  kTimeoutMs,        ///< kF64: NFTA_SET_ELEM_TIMEOUT; 0: the set's own (no attribute); Infinity: never (attribute 0, 6.12).
  kExpirationMs,     ///< kF64: NFTA_SET_ELEM_EXPIRATION; 0: none.
  kUserdata,         ///< kBlob: NFTA_SET_ELEM_USERDATA as it lies (comments are a TLV inside).
  kObjectReference,  ///< kSymbol: NFTA_SET_ELEM_OBJREF.
  kCounterPackets,   ///< kU64: from a counter expression; present with kCounterBytes.
  kCounterBytes,     ///< kU64.
  kHasCounter,       ///< kU8: 1 where the row has a counter.
  kExpressions,      ///< kBlob: the payload of NFTA_SET_ELEM_EXPRESSIONS as it came, where it holds anything but one counter.
  kElementColumnCount,
};
constexpr int32_t kNoVerdict = INT32_MAX;
/// The longest time in milliseconds that is read and written: more than the kernel takes (2^64 ns, nf_msecs_to_jiffies64), which answers
/// ERANGE.
constexpr uint64_t kMostMilliseconds = 18446744073710;
extern const std::span<const ColumnSpec> kElementColumns;

/// What of a row is sent.
enum class ElementParts : uint8_t {
  kAll,
  kIdentity,  ///< Key, end of the key and flags: all that deletions and look-ups read.
};

/// Appends rows from `first` on as one NFTA_SET_ELEM_LIST_ELEMENTS nest to the open message, until all are written or the nest's payload
/// would pass `max_bytes` or what the 16-bit length of an attribute can say. The start of a range and the end in the row behind it are not
/// torn apart. Returns how many rows went in: at least one, or a range, whatever `max_bytes` is, unless the first row alone is too long for
/// an attribute; then 0, and the writer is as before. The columns passed ColumnSet::Check.
size_t EncodeElements(const ColumnSet& columns, size_t first, size_t max_bytes, ElementParts parts, MessageWriter& writer);

/// Appends the elements of one NFTA_SET_ELEM_LIST_ELEMENTS payload. False where an attribute is malformed or a time is beyond
/// kMostMilliseconds.
/// Attributes of an element that have no column are never dropped: they make DecodeElements return false unless they are padding. Where it
/// returns false, the rows before the one at fault have been appended.
bool DecodeElements(ByteView list, ColumnSet& columns);

/// The row (relative to the message) and the field that the byte at `offset` of the list's payload belongs to.
struct ElementLocation {
  uint32_t row = 0;
  /// A column's name ("counter" for its three columns); empty where the element as a whole is at fault.
  const char* field = "";
};
std::optional<ElementLocation> LocateElement(ByteView list, size_t offset);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_ELEMENTS_H_
