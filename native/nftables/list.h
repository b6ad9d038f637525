// Reading nf_tables: everything asked for belongs to one generation.
#ifndef NETPLANE_NFTABLES_LIST_H_
#define NETPLANE_NFTABLES_LIST_H_

#include <string>
#include <vector>

#include "netlink/columns.h"
#include "netlink/dump.h"
#include "netlink/value.h"
#include "nftables/schemas.h"

namespace netplane::nftables {

/// Current generation of the socket's namespace (NFT_MSG_GETGEN), about 10 us.
Result<Record> GetGeneration(Socket& socket, Deadline deadline);

struct ListRequest {
  uint8_t family = 0;  ///< NFPROTO_UNSPEC: all.
  std::string table;   ///< Empty: all.
  std::string chain;   ///< For rules; empty: all.
  std::string name;    ///< Of sets (and their elements), objects and flowtables; empty: all.
  bool tables = false, chains = false, rules = false, sets = false, objects = false, flowtables = false, elements = false;
  /// Of `objects`: only those of this type (NFT_OBJECT_*), and none of that one; 0: any, none.
  uint32_t object_type = 0, other_than_type = 0;
  /// Of `elements`: not those of sets that rules fill (NFT_SET_EVAL), of which there may be as many as packets bring.
  bool static_elements = false;
  /// Counters and quotas of what is listed are zeroed: each is read and zeroed in one step, by a request of its own after the dumps
  /// (GETOBJ_RESET, GETRULE_RESET of 6.2, GETSETELEM_RESET of 6.5; EINVAL where the kernel lacks it), so that none is zeroed and not
  /// returned.
  bool reset = false;
  Deadline deadline;
};

struct Listed {
  uint8_t family = 0;
  Record value;
  /// What `value` was decoded from.
  Bytes attributes;
};

/// The elements of one set, in chunks of at most about 4 MiB.
struct ListedElements {
  uint8_t family = 0;
  std::string table;
  std::string set;
  std::vector<ColumnSet> chunks;
};

struct Listing {
  uint32_t generation = 0;
  std::vector<Listed> tables, chains, rules, sets, objects, flowtables;
  std::vector<ListedElements> elements;
};

/// Dumps what is asked for, and again (16 tries, then EINTR) when the generation changed meanwhile: element dumps never carry
/// NLM_F_DUMP_INTR, so every message's res_id is compared. ENOENT: there is no such table, no such chain in it, or nothing of that `name`.
/// Elements that packets add, or that time out, make no generation: where a set with time-outs is larger than a buffer of 32 KiB, one of
/// its elements may be missing for each that expired during the dump (the kernel goes on by counting).
Result<Listing> ListRuleset(Socket& socket, const ListRequest& request);

/// Point look-ups (NFT_MSG_GETSETELEM without a dump): the elements whose keys are given, in order; a missing one is absent from the
/// answer, and costs a request of its own. ENOENT: there is no such set.
Result<ListedElements> GetElements(Socket& socket, uint8_t family, const std::string& table, const std::string& set, const ColumnSet& keys,
                                   Deadline deadline);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_LIST_H_
