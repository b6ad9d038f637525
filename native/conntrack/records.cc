#include "conntrack/records.h"

#include <linux/netlink.h>

#include <cerrno>

#include "conntrack/kernel.h"
#include "conntrack/schemas.h"

namespace netplane::conntrack {
namespace {

Status Take(const Message& message, const Schema& schema, std::vector<HeaderedRecord>& records) {
  const Error bad = {EPROTO, "recvmmsg", "the reply cannot be read", false};
  if (message.body.size() < sizeof(nfgenmsg)) return bad;
  auto record = DecodeRecord(schema, message.body.subspan(sizeof(nfgenmsg)));
  if (!record) return bad;
  const auto resource = Load<uint16_t>(message.body.data() + offsetof(nfgenmsg, res_id), kBig);
  records.push_back({message.body[0], resource, std::move(*record)});
  return std::nullopt;
}

RequestEncoder Empty(uint16_t type) {
  return [type](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(type, flags, sequence);
    writer.PutHeader(FamilyHeader(0));
    writer.End();
  };
}

Result<std::vector<HeaderedRecord>> DumpRecords(Socket& socket, uint16_t type, const Schema& schema, Deadline deadline) {
  std::vector<HeaderedRecord> records;
  const DumpOptions options{deadline, 16, [&] { records.clear(); }};
  const auto take = [&](const Message& message) { return Take(message, schema, records); };
  if (auto error = RunDump(socket, Empty(type), take, options)) return Named(*error, Describe(type).name);
  return records;
}

}  // namespace

Result<std::vector<HeaderedRecord>> ListExpectations(Socket& socket, Deadline deadline) {
  return DumpRecords(socket, ExpectationMessage(IPCTNL_MSG_EXP_GET), kExpectationSchema, deadline);
}

Status ChangeExpectation(Socket& socket, ExpectationVerb verb, const HeaderedRecord& expectation, Deadline deadline) {
  const uint16_t type = ExpectationMessage(verb == ExpectationVerb::kDelete ? IPCTNL_MSG_EXP_DELETE : IPCTNL_MSG_EXP_NEW);
  const uint16_t verb_flags = verb == ExpectationVerb::kCreate ? NLM_F_CREATE | NLM_F_EXCL : 0;
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(type, static_cast<uint16_t>(flags | verb_flags), sequence);
    writer.PutHeader(FamilyHeader(expectation.family));
    EncodeRecord(expectation.value, writer);
    writer.End();
  };
  if (auto error = RunRequest(
          socket, encode, [](const Message&) -> Status { return std::nullopt; }, deadline)) {
    return Named(*error, Describe(type).name);
  }
  return std::nullopt;
}

Result<std::vector<HeaderedRecord>> ListProcessorStatistics(Socket& socket, bool of_expectations, Deadline deadline) {
  if (of_expectations) {
    return DumpRecords(socket, ExpectationMessage(IPCTNL_MSG_EXP_GET_STATS_CPU), kExpectationStatisticsSchema, deadline);
  }
  return DumpRecords(socket, FlowMessage(IPCTNL_MSG_CT_GET_STATS_CPU), kProcessorStatisticsSchema, deadline);
}

Result<HeaderedRecord> GetGlobalStatistics(Socket& socket, Deadline deadline) {
  const uint16_t type = FlowMessage(IPCTNL_MSG_CT_GET_STATS);
  std::vector<HeaderedRecord> records;
  const auto take = [&](const Message& message) { return Take(message, kGlobalStatisticsSchema, records); };
  if (auto error = RunRequest(socket, Empty(type), take, deadline)) return Named(*error, Describe(type).name);
  if (records.size() != 1) return Error{EPROTO, Describe(type).name, "the answer is not one message"};
  return std::move(records[0]);
}

}  // namespace netplane::conntrack
