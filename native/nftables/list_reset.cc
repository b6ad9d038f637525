#include <algorithm>
#include <cerrno>

#include "nftables/elements.h"
#include "nftables/request.h"

namespace netplane::nftables {
namespace {

bool Counts(const Value& expression) {
  const auto* record = expression.As<Record>();
  if (record == nullptr) return false;
  // An opaque expression may be a counter in a form of its own.
  const std::string_view name = record->schema->name;
  return name == "counter" || name == "quota" || record->schema == &OpaqueVariantSchema();
}

bool Counts(const Record& rule) {
  const Value* expressions = rule.Find(uint16_t{NFTA_RULE_EXPRESSIONS});
  const auto* list = expressions == nullptr ? nullptr : expressions->As<List>();
  if (list == nullptr) return false;
  for (const Value& expression : *list) {
    if (Counts(expression)) return true;
  }
  return false;
}

/// Puts the counters of the one row of `from` into a row of `to`, whose other columns stand.
void CopyCounters(const ColumnSet& from, size_t row, ColumnSet* to) {
  for (const size_t column : {kCounterPackets, kCounterBytes}) {
    if (from.has(column) && to->has(column)) Store((*to)[column].data.data() + row * sizeof(uint64_t), from.At<uint64_t>(column, 0));
  }
  if (!from.has(kExpressions) || !to->has(kExpressions)) return;
  // Only numbers differ, and they have one length.
  const ByteView expressions = from.Blob(kExpressions, 0);
  if (expressions.size() != to->Blob(kExpressions, row).size()) return;
  std::copy(expressions.begin(), expressions.end(), (*to)[kExpressions].data.begin() + (*to)[kExpressions].offsets[row]);
}

/// Asks for one object anew and puts what comes back in its place. What has been deleted since keeps the values of the dump.
Status ResetOne(Socket& socket, const Query& query, Deadline deadline, Listed* listed) {
  const auto take = [&](const Message& message) -> Status {
    const auto reply = ReadReply(message);
    auto record = reply ? DecodeRecord(*listed->value.schema, reply->attributes) : std::nullopt;
    if (!record) return BadReply(listed->value.schema->name);
    listed->value = std::move(*record);
    listed->attributes.assign(reply->attributes.begin(), reply->attributes.end());
    return std::nullopt;
  };
  Status status = RunRequest(socket, query.Encoder(), take, deadline);
  return status && status->code == ENOENT ? std::nullopt : status;
}

Status ResetObject(Socket& socket, Deadline deadline, Listed* object) {
  const Record& record = object->value;
  const Query query{NFT_MSG_GETOBJ_RESET, object->family, [&](MessageWriter& writer) {
                      writer.PutString(NFTA_OBJ_TABLE, TextField(record, NFTA_OBJ_TABLE));
                      writer.PutString(NFTA_OBJ_NAME, TextField(record, NFTA_OBJ_NAME));
                      writer.PutInteger(NFTA_OBJ_TYPE, static_cast<uint32_t>(NumberField(record, NFTA_OBJ_TYPE)), kBig);
                    }};
  return ResetOne(socket, query, deadline, object);
}

Status ResetRule(Socket& socket, Deadline deadline, Listed* rule) {
  if (!Counts(rule->value)) return std::nullopt;
  const Record& record = rule->value;
  const Query query{kGetRuleReset, rule->family, [&](MessageWriter& writer) {
                      writer.PutString(NFTA_RULE_TABLE, TextField(record, NFTA_RULE_TABLE));
                      writer.PutString(NFTA_RULE_CHAIN, TextField(record, NFTA_RULE_CHAIN));
                      writer.PutInteger(NFTA_RULE_HANDLE, NumberField(record, NFTA_RULE_HANDLE), kBig);
                    }};
  return ResetOne(socket, query, deadline, rule);
}

Status ResetElements(Socket& socket, Deadline deadline, const ListedElements& elements, ColumnSet* chunk) {
  if (!chunk->has(kHasCounter) && !chunk->has(kExpressions)) return std::nullopt;
  const ElementQuery query{kGetSetElementReset, elements.family, elements.table, elements.set, deadline};
  const auto take = [&](size_t row, ByteView attributes) -> Status {
    ColumnSet one(kElementColumns);
    if (!DecodeElements(ElementsOf(attributes), one) || one.rows() != 1) return BadReply("an element");
    CopyCounters(one, row, chunk);
    return std::nullopt;
  };
  return LookUpElements(socket, query, *chunk, take);
}

}  // namespace

Status ResetListed(Socket& socket, const ListRequest& request, Listing* listing) {
  for (Listed& object : listing->objects) {
    if (auto error = ResetObject(socket, request.deadline, &object)) return error;
  }
  for (Listed& rule : listing->rules) {
    if (auto error = ResetRule(socket, request.deadline, &rule)) return error;
  }
  for (ListedElements& elements : listing->elements) {
    for (ColumnSet& chunk : elements.chunks) {
      if (auto error = ResetElements(socket, request.deadline, elements, &chunk)) return error;
    }
  }
  return std::nullopt;
}

}  // namespace netplane::nftables
