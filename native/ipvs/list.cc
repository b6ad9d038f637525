#include "ipvs/list.h"

#include <cerrno>
#include <unordered_set>

#include "ipvs/schemas.h"

namespace netplane::ipvs {
namespace {

// Rows a piece: at most 152 bytes each, so below 4 MiB.
constexpr size_t kRowsPerPiece = 24576;
constexpr int kTries = 16;

Error Changed() { return Error{EINTR, "dump", "services or real servers changed while they were listed, 16 times"}; }

// What a dump saw, to be compared with another: the keys in their order.
class Keys {
 public:
  void Add(const ColumnSet& rows, std::span<const size_t> columns) {
    std::string key;
    for (const size_t column : columns) {
      const Column& c = rows[column];
      const size_t width = c.data.size() / (rows.rows());
      key.append(reinterpret_cast<const char*>(c.data.data()) + c.data.size() - width, width);
    }
    has_twins_ |= !seen_.insert(key).second;
    order_ = order_ * 1099511628211u + std::hash<std::string>()(key);
  }
  /// Nothing was added, removed or moved in between.
  bool Matches(const Keys& other) const { return !has_twins_ && order_ == other.order_ && seen_ == other.seen_; }
  size_t size() const { return seen_.size(); }

 private:
  std::unordered_set<std::string> seen_;
  uint64_t order_ = 0;
  // A real server that moved while it was listed is listed twice.
  bool has_twins_ = false;
};

constexpr size_t kServiceKey[] = {kServiceFamily, kServiceProtocol, kServiceAddress, kServicePort, kServiceFwmark};
constexpr size_t kServerKey[] = {kServerFamily, kServerAddress, kServerPort};

// One try to read everything.
class Reader {
 public:
  Reader(Socket& socket, uint16_t family, const ListRequest& request) : socket_(socket), family_(family), request_(request) {}

  /// Nothing to say and no `is_changed`: the listing is whole.
  Status Run() {
    Keys before;
    if (request_.services == nullptr) {
      if (auto error = DumpServices(&before, listing_.services)) return error;
    } else if (auto error = GetServices()) {
      return error;
    }
    if (!request_.servers) return VerifyServices(before, service_datagrams_ > 1);
    uint32_t row = 0;
    for (const ColumnSet& piece : listing_.services) {
      for (size_t i = 0; i < piece.rows() && !is_changed_; ++i) {
        if (auto error = ReadServers(piece, i, row++)) return error;
      }
    }
    return VerifyServices(before, true);
  }

  bool is_changed() const { return is_changed_; }
  Listing TakeListing() { return std::move(listing_); }

 private:
  static ColumnSet& LastPiece(std::vector<ColumnSet>& pieces, std::span<const ColumnSpec> specs) {
    if (pieces.empty() || pieces.back().rows() >= kRowsPerPiece) pieces.emplace_back(specs);
    return pieces.back();
  }

  // Counts the datagrams that brought objects: what came in one was taken at one moment, under the kernel's lock.
  Status Dump(const RequestEncoder& encode, const ReplyHandler& handle, uint32_t* datagrams, uint8_t command) {
    Exchange exchange(socket_, true);
    bool brings_objects = false;
    const auto take = [&](const Message& message) -> Status {
      brings_objects = true;
      return handle(message);
    };
    Status failure = exchange.Begin(encode, is_drained_);
    is_drained_ = false;
    *datagrams = 0;
    while (!failure && !exchange.is_done()) {
      brings_objects = false;
      failure = exchange.Read(take, request_.deadline);
      if (brings_objects) ++*datagrams;
    }
    is_changed_ |= exchange.is_interrupted() || (failure && failure->code == EINTR);
    if (failure && failure->code != EINTR) return Named(std::move(*failure), command);
    is_drained_ = !failure;
    return std::nullopt;
  }

  Status DumpServices(Keys* keys, std::vector<ColumnSet>& pieces) {
    const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
      BeginCommand(family_, IPVS_CMD_GET_SERVICE, flags, sequence, writer);
      writer.End();
    };
    const auto handle = [&](const Message& message) -> Status {
      if (message.type != family_ || CommandOf(message) != IPVS_CMD_NEW_SERVICE) return std::nullopt;
      ColumnSet& rows = LastPiece(pieces, kServiceColumns);
      if (!DecodeService(message, request_.statistics, rows)) return Error{EPROTO, "", "malformed IPVS_CMD_NEW_SERVICE"};
      keys->Add(rows, kServiceKey);
      return std::nullopt;
    };
    return Dump(encode, handle, &service_datagrams_, IPVS_CMD_GET_SERVICE);
  }

  // Whether the services are the same as at the beginning.
  Status VerifyServices(const Keys& before, bool is_needed) {
    if (request_.services != nullptr || is_changed_ || !is_needed || before.size() == 0) return std::nullopt;
    Keys after;
    std::vector<ColumnSet> again;
    if (auto error = DumpServices(&after, again)) return error;
    is_changed_ |= !after.Matches(before);
    return std::nullopt;
  }

  Status GetServices() {
    for (size_t row = 0; row < request_.services->rows(); ++row) {
      bool exists = false;
      if (auto error = GetService(*request_.services, row, &LastPiece(listing_.services, kServiceColumns), &exists)) return error;
    }
    return std::nullopt;
  }

  // Appends the service to `rows`, unless that is null.
  Status GetService(const ColumnSet& keys, size_t row, ColumnSet* rows, bool* exists) {
    const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
      BeginCommand(family_, IPVS_CMD_GET_SERVICE, flags, sequence, writer);
      PutService(keys, row, false, writer);
      writer.End();
    };
    const auto handle = [&](const Message& message) -> Status {
      if (message.type != family_ || CommandOf(message) != IPVS_CMD_NEW_SERVICE) return std::nullopt;
      *exists = true;
      if (rows == nullptr || DecodeService(message, request_.statistics, *rows)) return std::nullopt;
      return Error{EPROTO, "", "malformed IPVS_CMD_NEW_SERVICE"};
    };
    is_drained_ = false;
    Status failure = RunRequest(socket_, encode, handle, request_.deadline);
    if (failure && failure->code != ESRCH) return Named(std::move(*failure), IPVS_CMD_GET_SERVICE);
    return std::nullopt;
  }

  Status ReadServers(const ColumnSet& services, size_t row, uint32_t index) {
    Keys keys;
    uint32_t datagrams = 0;
    if (auto error = DumpServers(services, row, index, listing_.servers, &keys, &datagrams)) return error;
    if (datagrams > 1 && !is_changed_) {
      Keys again;
      std::vector<ColumnSet> pieces;
      if (auto error = DumpServers(services, row, index, pieces, &again, &datagrams)) return error;
      is_changed_ |= !again.Matches(keys);
    }
    // A list of all services is compared with another at the end.
    if (request_.services == nullptr || keys.size() > 0 || is_changed_) return std::nullopt;
    bool exists = false;
    if (auto error = GetService(services, row, nullptr, &exists)) return error;
    is_changed_ |= !exists;
    return std::nullopt;
  }

  Status DumpServers(const ColumnSet& services, size_t row, uint32_t index, std::vector<ColumnSet>& pieces, Keys* keys,
                     uint32_t* datagrams) {
    const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
      BeginCommand(family_, IPVS_CMD_GET_DEST, flags, sequence, writer);
      PutService(services, row, false, writer);
      writer.End();
    };
    const ServerContext context = {index, services.At<uint8_t>(kServiceFamily, row), request_.statistics};
    const auto handle = [&](const Message& message) -> Status {
      if (message.type != family_ || CommandOf(message) != IPVS_CMD_NEW_DEST) return std::nullopt;
      ColumnSet& rows = LastPiece(pieces, kServerColumns);
      if (!DecodeServer(message, context, rows)) return Error{EPROTO, "", "malformed IPVS_CMD_NEW_DEST"};
      keys->Add(rows, kServerKey);
      return std::nullopt;
    };
    return Dump(encode, handle, datagrams, IPVS_CMD_GET_DEST);
  }

  Socket& socket_;
  const uint16_t family_;
  const ListRequest& request_;
  Listing listing_;
  uint32_t service_datagrams_ = 0;
  bool is_drained_ = false;
  bool is_changed_ = false;
};

}  // namespace

Result<uint16_t> ResolveFamily(Socket& socket, Deadline deadline) {
  const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    BeginCommand(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, flags, sequence, writer);
    writer.PutString(CTRL_ATTR_FAMILY_NAME, IPVS_GENL_NAME);
    writer.End();
  };
  std::optional<uint16_t> id;
  const auto handle = [&](const Message& message) -> Status {
    AttributeReader reader = message.Attributes(sizeof(genlmsghdr));
    while (const auto attribute = reader.Next()) {
      if (attribute->type == CTRL_ATTR_FAMILY_ID) id = attribute->Integer<uint16_t>();
    }
    return std::nullopt;
  };
  if (Status failure = RunRequest(socket, encode, handle, deadline)) {
    failure->operation = "CTRL_CMD_GETFAMILY";
    failure->outcome_unknown = false;
    return *failure;
  }
  if (!id || *id < NLMSG_MIN_TYPE) return Error{EPROTO, "CTRL_CMD_GETFAMILY", "no family id in the answer"};
  RememberFamily(*id);
  return *id;
}

Result<Listing> List(Socket& socket, uint16_t family, const ListRequest& request) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Reader reader(socket, family, request);
    if (Status failure = reader.Run()) return *failure;
    if (!reader.is_changed()) return reader.TakeListing();
    if (Clock::now() >= request.deadline) return Error{ETIMEDOUT, "dump", "services or real servers changed until the deadline"};
  }
  return Changed();
}

}  // namespace netplane::ipvs
