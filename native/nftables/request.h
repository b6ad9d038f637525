// Requests to nf_tables and their replies. The codec's own.
#ifndef NETPLANE_NFTABLES_REQUEST_H_
#define NETPLANE_NFTABLES_REQUEST_H_

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "netlink/dump.h"
#include "nftables/kernel.h"
#include "nftables/list.h"

namespace netplane::nftables {

/// A request that is not a batch: one of the NFT_MSG_GET*.
struct Query {
  uint8_t message = 0;
  uint8_t family = 0;
  /// Appends the attributes; may be empty.
  std::function<void(MessageWriter& writer)> attributes;

  /// For RunDump and RunRequest.
  RequestEncoder Encoder() const;
};

/// Appends a text attribute unless it is empty.
void PutFilter(uint16_t attribute, const std::string& text, MessageWriter& writer);

/// Family and res_id (low 16 bits of the generation) of a reply, and its attributes; nothing where it is too short.
struct Reply {
  uint8_t family = 0;
  uint16_t generation = 0;
  ByteView attributes;
};
std::optional<Reply> ReadReply(const Message& message);

/// The payload of NFTA_SET_ELEM_LIST_ELEMENTS; empty where there is none.
ByteView ElementsOf(ByteView attributes);

/// Whether a set that was listed has one of these flags.
bool HasAnyFlag(const Record& set, std::initializer_list<std::string_view> names);

/// EPROTO.
Error BadReply(const char* what);

/// A set, and what to ask of its elements.
struct ElementQuery {
  uint8_t message = NFT_MSG_GETSETELEM;
  uint8_t family = 0;
  std::string table;
  std::string set;
  Deadline deadline;
};
/// Asks for the elements with these keys, in order, and hands over the attributes of each one's reply. Missing ones are passed over; ENOENT
/// for a set that is missing looks the same, so the caller makes sure of the set.
Status LookUpElements(Socket& socket, const ElementQuery& query, const ColumnSet& keys,
                      const std::function<Status(size_t row, ByteView attributes)>& found);

/// True where an element occurs twice. A dump of a hash set goes on after each buffer by the number of elements already given, and the
/// kernel moves elements when it resizes the table, after a commit and without a new generation (nft_rhash_walk): some are then given twice
/// and as many may be missing. As no dump gives fewer rows than the set has elements, one without repetitions is complete.
bool HasRepeatedRows(const std::vector<ColumnSet>& chunks);

/// Reads and zeroes the counters and quotas of what was listed, and puts the values read into the listing.
Status ResetListed(Socket& socket, const ListRequest& request, Listing* listing);

/// A text field of a record; empty where it is not set.
std::string TextField(const Record& record, uint16_t attribute);
/// An unsigned field of a record; 0 where it is not set.
uint64_t NumberField(const Record& record, uint16_t attribute);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_REQUEST_H_
