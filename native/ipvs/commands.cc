#include "ipvs/commands.h"

#include <cerrno>

#include "ipvs/schemas.h"
#include "netlink/dump.h"

namespace netplane::ipvs {
namespace {

void Write(uint16_t family, const Command& command, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  BeginCommand(family, command.command, flags, sequence, writer);
  if (command.service != nullptr) PutService(*command.service, 0, false, writer);
  EncodeRecord(command.value, writer);
  writer.End();
}

}  // namespace

Result<std::vector<Record>> Query(Socket& socket, uint16_t family, const Command& command, Deadline deadline) {
  std::vector<Record> answers;
  const Schema& schema = command.command == IPVS_CMD_GET_INFO ? kInfoSchema : kCommandSchema;
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) { Write(family, command, flags, sequence, writer); };
  const auto handle = [&](const Message& message) -> Status {
    if (message.type != family || !CommandOf(message)) return std::nullopt;
    auto record = DecodeRecord(schema, message.body.subspan(sizeof(genlmsghdr)));
    if (!record) return Error{EPROTO, "", "a malformed answer"};
    record->opaque.clear();
    answers.push_back(std::move(*record));
    return std::nullopt;
  };
  Status failure;
  if (command.command == IPVS_CMD_GET_DAEMON) {
    DumpOptions options;
    options.deadline = deadline;
    options.restart = [&] { answers.clear(); };
    failure = RunDump(socket, encode, handle, options);
  } else {
    failure = RunRequest(socket, encode, handle, deadline);
    // A question changes nothing.
    if (failure) failure->outcome_unknown = false;
  }
  if (failure) return Named(std::move(*failure), command.command);
  return answers;
}

Status Run(Socket& socket, uint16_t family, const Command& command, Deadline deadline) {
  Command question;
  question.command = IPVS_CMD_GET_INFO;
  question.value.schema = &kCommandSchema;
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    Write(family, index == 0 ? command : question, flags, sequence, writer);
  };
  BatchOptions options;
  options.deadline = deadline;
  const BatchReport report = RunBatch(socket, 2, encode, options);
  for (const ItemError& error : report.errors) {
    if (error.index == 0) return Error{error.code, CommandName(command.command), error.message};
  }
  if (report.stopped) return Named(*report.stopped, command.command);
  return std::nullopt;
}

}  // namespace netplane::ipvs
