#include "nftables/list.h"

#include <linux/netfilter.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "nftables/elements.h"
#include "nftables/kernel.h"
#include "nftables/request.h"

namespace netplane::nftables {
namespace {

constexpr int kAttempts = 16;
/// From so many on the rules of each chain are dumped by themselves.
constexpr size_t kManyChains = 1024;
/// A chunk ends with the message that takes it past this: 4 MiB less the largest message.
constexpr size_t kChunkBytes = (size_t{4} << 20) - (size_t{64} << 10);

/// Where to look: one table, or all of a family.
struct Target {
  uint8_t family = 0;
  std::string table;
};

/// A kind of object, and how it is dumped. `name` 0: the request's name does not choose among them.
struct DumpRow {
  bool ListRequest::*wanted;
  std::vector<Listed> Listing::*listed;
  uint8_t get;
  const Schema* schema;
  uint16_t table;
  uint16_t name;
};
constexpr DumpRow kDumps[] = {
    {&ListRequest::chains, &Listing::chains, NFT_MSG_GETCHAIN, &kChainSchema, NFTA_CHAIN_TABLE, 0},
    {&ListRequest::rules, &Listing::rules, NFT_MSG_GETRULE, &kRuleSchema, NFTA_RULE_TABLE, 0},
    {&ListRequest::sets, &Listing::sets, NFT_MSG_GETSET, &kSetSchema, NFTA_SET_TABLE, NFTA_SET_NAME},
    {&ListRequest::objects, &Listing::objects, NFT_MSG_GETOBJ, &kObjectSchema, NFTA_OBJ_TABLE, NFTA_OBJ_NAME},
    {&ListRequest::flowtables, &Listing::flowtables, NFT_MSG_GETFLOWTABLE, &kFlowtableSchema, NFTA_FLOWTABLE_TABLE, NFTA_FLOWTABLE_NAME},
};

using TakeReply = std::function<Status(const Reply& reply)>;

Bytes Copy(ByteView bytes) { return Bytes(bytes.begin(), bytes.end()); }

Error Changed() { return Error{EINTR, "list", "the ruleset changed while it was listed"}; }

/// Appends what an element message holds to the last chunk, or to a new one when that is full. The kernel sends one of an empty set, too:
/// of that there is no chunk.
Status AppendElements(ByteView attributes, uint32_t width, ListedElements* elements) {
  if (elements->chunks.empty() || elements->chunks.back().MemoryBytes() > kChunkBytes) {
    elements->chunks.emplace_back(kElementColumns);
    elements->chunks.back()[kKey].width = width;
  }
  if (!DecodeElements(ElementsOf(attributes), elements->chunks.back())) return BadReply("an element");
  if (elements->chunks.back().rows() == 0) elements->chunks.pop_back();
  return std::nullopt;
}

/// One attempt to read everything within one generation.
class Lister {
 public:
  Lister(Socket& socket, const ListRequest& request) : socket_(socket), request_(request) {}

  /// EINTR where the generation changed.
  Status Run() {
    if (auto error = ReadGeneration(&listing_.generation)) return error;
    const Status status = DumpAll();
    // What was missing may have been there before, or come to be since.
    if (status && status->code != ENOENT) return status;
    uint32_t after = 0;
    if (auto error = ReadGeneration(&after)) return error;
    if (after != listing_.generation) return Changed();
    return status;
  }

  Listing& listing() { return listing_; }

 private:
  Status ReadGeneration(uint32_t* generation) {
    const auto record = GetGeneration(socket_, request_.deadline);
    if (!record.ok()) return record.error();
    *generation = static_cast<uint32_t>(NumberField(record.value(), NFTA_GEN_ID));
    return std::nullopt;
  }

  Status DumpAll() {
    if (NamesOneSet()) {
      targets_ = {{request_.family, request_.table}};
    } else if (request_.tables || !request_.table.empty()) {
      if (auto error = DumpTables()) return error;
    } else {
      targets_ = {{request_.family, {}}};
    }
    if (auto error = CheckChain()) return error;
    for (const Target& target : targets_) {
      first_chain_ = listing_.chains.size();
      for (const DumpRow& row : kDumps) {
        const bool wanted = request_.*row.wanted || (request_.elements && row.listed == &Listing::sets);
        if (!wanted) continue;
        const bool rules = row.listed == &Listing::rules;
        if (auto error = rules ? DumpRules(target, row) : DumpKind(target, row, request_.chain)) return error;
      }
    }
    if (auto error = CheckName()) return error;
    if (request_.elements) {
      for (const Listed& set : listing_.sets) {
        if (request_.static_elements && HasAnyFlag(set.value, {"eval"})) continue;
        if (auto error = DumpElements(set)) return error;
      }
    }
    if (!request_.sets) listing_.sets.clear();
    return std::nullopt;
  }

  /// Whether one set is asked for and nothing else: the kernel finds it by name, whatever else the table holds.
  bool NamesOneSet() const {
    const bool others = request_.tables || request_.chains || request_.rules || request_.objects || request_.flowtables;
    return !others && request_.family != NFPROTO_UNSPEC && !request_.table.empty() && !request_.name.empty();
  }

  /// Hands on the messages of this generation.
  ReplyHandler OfGeneration(const TakeReply& take) const {
    return [this, take](const Message& message) -> Status {
      const auto reply = ReadReply(message);
      if (!reply) return BadReply("a header");
      if (reply->generation != (listing_.generation & UINT16_MAX)) return Changed();
      return take(*reply);
    };
  }

  /// Runs a dump whose messages all belong to this generation.
  Status Dump(const Query& query, const TakeReply& take) {
    const auto check = OfGeneration(take);
    DumpOptions options;
    options.deadline = request_.deadline;
    options.retries = 0;
    return RunDump(socket_, query.Encoder(), check, options);
  }

  /// Tables are not filtered by the kernel; and most other dumps stop at the first table of a name, whatever its family.
  Status DumpTables() {
    const Query query{NFT_MSG_GETTABLE, request_.family, nullptr};
    const auto error = Dump(query, [&](const Reply& reply) -> Status {
      auto record = DecodeRecord(kTableSchema, reply.attributes);
      if (!record) return BadReply("a table");
      const std::string name = TextField(*record, NFTA_TABLE_NAME);
      if (!request_.table.empty() && name != request_.table) return std::nullopt;
      if (!request_.table.empty()) targets_.push_back({reply.family, name});
      if (request_.tables) listing_.tables.push_back({reply.family, std::move(*record), Copy(reply.attributes)});
      return std::nullopt;
    });
    if (error) return error;
    if (request_.table.empty()) targets_ = {{request_.family, {}}};
    if (targets_.empty()) return Error{ENOENT, "list", "there is no table " + request_.table};
    return std::nullopt;
  }

  /// A rule dump of a chain that does not exist is empty, not an error.
  Status CheckChain() {
    if (request_.chain.empty() || request_.table.empty() || !request_.rules) return std::nullopt;
    bool exists = false;
    for (const Target& target : targets_) {
      const Query query{NFT_MSG_GETCHAIN, target.family, [&](MessageWriter& writer) {
                          writer.PutString(NFTA_CHAIN_TABLE, target.table);
                          writer.PutString(NFTA_CHAIN_NAME, request_.chain);
                        }};
      const auto ignore = [](const Message&) -> Status { return std::nullopt; };
      const Status status = RunRequest(socket_, query.Encoder(), ignore, request_.deadline);
      if (status && status->code != ENOENT) return status;
      exists = exists || !status;
    }
    if (!exists) return Error{ENOENT, "list", "there is no chain " + request_.chain + " in table " + request_.table};
    return std::nullopt;
  }

  Status CheckName() const {
    const bool chooses = request_.sets || request_.elements || request_.objects || request_.flowtables;
    const bool found = !listing_.sets.empty() || !listing_.objects.empty() || !listing_.flowtables.empty();
    if (request_.name.empty() || !chooses || found) return std::nullopt;
    return Error{ENOENT, "list", "there is nothing named " + request_.name};
  }

  /// Whether objects of this type are asked for.
  bool IsWanted(uint64_t object_type) const {
    return request_.object_type == 0 ? object_type != request_.other_than_type : object_type == request_.object_type;
  }

  /// For each message of a dump the kernel walks all rules before those that it gives (nf_tables_dump_rules), so that a dump of many takes
  /// a time that grows with their square. Where there are many chains, which are listed before, each is dumped by itself.
  Status DumpRules(const Target& target, const DumpRow& row) {
    if (listing_.chains.size() - first_chain_ < kManyChains) return DumpKind(target, row, request_.chain);
    for (size_t index = first_chain_; index < listing_.chains.size(); ++index) {
      const Listed& chain = listing_.chains[index];
      const Target of_chain{chain.family, TextField(chain.value, NFTA_CHAIN_TABLE)};
      const std::string name = TextField(chain.value, NFTA_CHAIN_NAME);
      if (!request_.chain.empty() && name != request_.chain) continue;
      if (auto error = DumpKind(of_chain, row, name)) return error;
    }
    return std::nullopt;
  }

  /// The filters are given to the kernel and applied again here, as older kernels ignore some of them.
  Status DumpKind(const Target& target, const DumpRow& row, const std::string& chain) {
    const bool rules = row.listed == &Listing::rules;
    const bool objects = row.listed == &Listing::objects;
    const bool one = NamesOneSet();
    const Query query{row.get, target.family, [&](MessageWriter& writer) {
                        PutFilter(row.table, target.table, writer);
                        if (one) writer.PutString(row.name, request_.name);
                        if (objects && request_.object_type != 0) writer.PutInteger(NFTA_OBJ_TYPE, request_.object_type, kBig);
                        if (rules && !target.table.empty()) PutFilter(NFTA_RULE_CHAIN, chain, writer);
                      }};
    const auto take = [&](const Reply& reply) -> Status {
      auto record = DecodeRecord(*row.schema, reply.attributes);
      if (!record) return BadReply(row.schema->name);
      const auto is = [&](uint16_t attribute, const std::string& wanted) {
        return wanted.empty() || TextField(*record, attribute) == wanted;
      };
      if (!is(row.table, target.table)) return std::nullopt;
      if (row.name != 0 && !is(row.name, request_.name)) return std::nullopt;
      if (rules && !is(NFTA_RULE_CHAIN, chain)) return std::nullopt;
      if (objects && !IsWanted(NumberField(*record, NFTA_OBJ_TYPE))) return std::nullopt;
      (listing_.*row.listed).push_back({reply.family, std::move(*record), Copy(reply.attributes)});
      return std::nullopt;
    };
    if (!one) return Dump(query, take);
    const Status status = RunRequest(socket_, query.Encoder(), OfGeneration(take), request_.deadline);
    return status && status->code == ENOENT ? CheckName() : status;
  }

  Status DumpElements(const Listed& set) {
    ListedElements elements;
    elements.family = set.family;
    elements.table = TextField(set.value, NFTA_SET_TABLE);
    elements.set = TextField(set.value, NFTA_SET_NAME);
    const auto width = static_cast<uint32_t>(NumberField(set.value, NFTA_SET_KEY_LEN));
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      elements.chunks.clear();
      if (auto error = DumpElementsOnce(width, &elements)) return error;
      if (HasRepeatedRows(elements.chunks) || !IsWhole(set, elements)) continue;
      listing_.elements.push_back(std::move(elements));
      return std::nullopt;
    }
    return Error{EINTR, "list", "the set " + elements.set + " kept being resized"};
  }

  /// A hash set that is resized between two pieces of a dump can hide elements, and a batch that is aborted resizes it without making a
  /// generation. Kernels that count (6.18) tell: their number includes elements of batches that are under way, so one of two readings will
  /// do. Sets whose elements come and go by themselves, and intervals, which are counted otherwise, are not compared.
  bool IsWhole(const Listed& set, const ListedElements& elements) {
    size_t rows = 0;
    for (const ColumnSet& chunk : elements.chunks) rows += chunk.rows();
    const Value* counted = set.value.Find(kSetCount);
    if (!counted || rows >= NumberField(set.value, kSetCount) || HasAnyFlag(set.value, {"interval", "timeout", "eval"})) return true;
    const Query query{NFT_MSG_GETSET, elements.family, [&](MessageWriter& writer) {
                        writer.PutString(NFTA_SET_TABLE, elements.table);
                        writer.PutString(NFTA_SET_NAME, elements.set);
                      }};
    bool enough = false;
    const auto compare = [&](const Message& message) -> Status {
      const auto reply = ReadReply(message);
      const auto record = reply ? DecodeRecord(kSetSchema, reply->attributes) : std::nullopt;
      if (!record) return BadReply("a set");
      enough = rows >= NumberField(*record, kSetCount);
      return std::nullopt;
    };
    // A set that is gone by now is found out by the generation.
    return !RunRequest(socket_, query.Encoder(), compare, request_.deadline) && enough;
  }

  Status DumpElementsOnce(uint32_t width, ListedElements* elements) {
    const Query query{NFT_MSG_GETSETELEM, elements->family, [&](MessageWriter& writer) {
                        writer.PutString(NFTA_SET_ELEM_LIST_TABLE, elements->table);
                        writer.PutString(NFTA_SET_ELEM_LIST_SET, elements->set);
                      }};
    return Dump(query, [&](const Reply& reply) { return AppendElements(reply.attributes, width, elements); });
  }

  Socket& socket_;
  const ListRequest& request_;
  Listing listing_;
  std::vector<Target> targets_;
  /// Of the target that is dumped, in the listing.
  size_t first_chain_ = 0;
};

/// The width of a set's keys; ENOENT where there is no such set.
Result<uint32_t> KeyWidth(Socket& socket, const ElementQuery& query) {
  const Query get{NFT_MSG_GETSET, query.family, [&](MessageWriter& writer) {
                    writer.PutString(NFTA_SET_TABLE, query.table);
                    writer.PutString(NFTA_SET_NAME, query.set);
                  }};
  uint32_t width = 0;
  const auto take = [&](const Message& message) -> Status {
    const auto reply = ReadReply(message);
    const auto record = reply ? DecodeRecord(kSetSchema, reply->attributes) : std::nullopt;
    if (!record) return BadReply("a set");
    width = static_cast<uint32_t>(NumberField(*record, NFTA_SET_KEY_LEN));
    return std::nullopt;
  };
  if (auto error = RunRequest(socket, get.Encoder(), take, query.deadline)) return *error;
  return width;
}

}  // namespace

Result<Record> GetGeneration(Socket& socket, Deadline deadline) {
  const Query query{NFT_MSG_GETGEN, 0, nullptr};
  Record generation;
  const auto take = [&](const Message& message) -> Status {
    const auto reply = ReadReply(message);
    auto record = reply ? DecodeRecord(kGenerationSchema, reply->attributes) : std::nullopt;
    if (!record) return BadReply("a generation");
    generation = std::move(*record);
    return std::nullopt;
  };
  if (auto error = RunRequest(socket, query.Encoder(), take, deadline)) return *error;
  return generation;
}

Result<Listing> ListRuleset(Socket& socket, const ListRequest& request) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Lister lister(socket, request);
    Status status = lister.Run();
    if (status && status->code == EINTR && Clock::now() < request.deadline) continue;
    if (!status && request.reset) status = ResetListed(socket, request, &lister.listing());
    if (status) return *status;
    return std::move(lister.listing());
  }
  return Error{EINTR, "list", "the ruleset kept changing while it was listed (" + std::to_string(kAttempts) + " tries)"};
}

Result<ListedElements> GetElements(Socket& socket, uint8_t family, const std::string& table, const std::string& set, const ColumnSet& keys,
                                   Deadline deadline) {
  const ElementQuery query{NFT_MSG_GETSETELEM, family, table, set, deadline};
  const auto width = KeyWidth(socket, query);
  if (!width.ok()) return width.error();
  ListedElements elements{family, table, set, {}};
  const auto take = [&](size_t, ByteView attributes) { return AppendElements(attributes, width.value(), &elements); };
  if (auto error = LookUpElements(socket, query, keys, take)) return *error;
  return elements;
}

}  // namespace netplane::nftables
