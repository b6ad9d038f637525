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

using Pieces = std::vector<ColumnSet>;

// A row of some pieces.
struct Place {
  size_t piece = 0;
  size_t row = 0;
};

Place EndOf(const Pieces& pieces) { return pieces.empty() ? Place{} : Place{pieces.size() - 1, pieces.back().rows()}; }

// What a dump saw, to be compared with another: the keys in their order.
class Keys {
 public:
  /// Those of the rows from `begin` on.
  Keys(const Pieces& pieces, Place begin, std::span<const size_t> columns) {
    for (size_t piece = begin.piece; piece < pieces.size(); ++piece) {
      for (size_t row = piece == begin.piece ? begin.row : 0; row < pieces[piece].rows(); ++row) Add(pieces[piece], row, columns);
    }
  }
  /// Nothing was added, removed or moved in between.
  bool Matches(const Keys& other) const { return !has_twins_ && order_ == other.order_ && seen_ == other.seen_; }

 private:
  void Add(const ColumnSet& rows, size_t row, std::span<const size_t> columns) {
    key_.clear();
    for (const size_t column : columns) {
      const Column& c = rows[column];
      const size_t width = c.data.size() / rows.rows();
      key_.append(reinterpret_cast<const char*>(c.data.data()) + row * width, width);
    }
    has_twins_ |= !seen_.insert(key_).second;
    order_ = order_ * 1099511628211u + std::hash<std::string>()(key_);
  }

  std::unordered_set<std::string> seen_;
  std::string key_;
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
    if (auto error = request_.services == nullptr ? DumpServices(listing_.services) : GetServices()) return error;
    if (!request_.servers) return VerifyServices(service_datagrams_ > 1);
    uint32_t row = 0;
    for (const ColumnSet& piece : listing_.services) {
      for (size_t i = 0; i < piece.rows() && !is_changed_; ++i) {
        if (auto error = ReadServers(piece, i, row++)) return error;
      }
    }
    return VerifyServices(true);
  }

  bool is_changed() const { return is_changed_; }
  Listing TakeListing() { return std::move(listing_); }

 private:
  static ColumnSet& LastPiece(Pieces& pieces, std::span<const ColumnSpec> specs) {
    const bool is_full = !pieces.empty() && pieces.back().rows() >= kRowsPerPiece;
    if (pieces.empty() || is_full) pieces.emplace_back(specs);
    if (is_full) pieces.back().ReserveLike(pieces[pieces.size() - 2]);
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

  Status DumpServices(Pieces& pieces) {
    const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
      BeginCommand(family_, IPVS_CMD_GET_SERVICE, flags, sequence, writer);
      writer.End();
    };
    const auto handle = [&](const Message& message) -> Status {
      if (message.type != family_ || CommandOf(message) != IPVS_CMD_NEW_SERVICE) return std::nullopt;
      ColumnSet& rows = LastPiece(pieces, kServiceColumns);
      if (!DecodeService(message, request_.statistics, rows)) return Error{EPROTO, "", "malformed IPVS_CMD_NEW_SERVICE"};
      return std::nullopt;
    };
    return Dump(encode, handle, &service_datagrams_, IPVS_CMD_GET_SERVICE);
  }

  // Whether the services are the same as at the beginning.
  Status VerifyServices(bool is_needed) {
    if (request_.services != nullptr || is_changed_ || !is_needed || listing_.services.empty()) return std::nullopt;
    Pieces again;
    if (auto error = DumpServices(again)) return error;
    is_changed_ |= !Keys(again, {}, kServiceKey).Matches(Keys(listing_.services, {}, kServiceKey));
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
    const Place begin = EndOf(listing_.servers);
    uint32_t datagrams = 0;
    if (auto error = DumpServers(services, row, index, listing_.servers, &datagrams)) return error;
    const Place end = EndOf(listing_.servers);
    const bool is_empty = begin.piece == end.piece && begin.row == end.row;
    if (datagrams > 1 && !is_changed_) {
      Pieces again;
      if (auto error = DumpServers(services, row, index, again, &datagrams)) return error;
      is_changed_ |= !Keys(again, {}, kServerKey).Matches(Keys(listing_.servers, begin, kServerKey));
    }
    // A list of all services is compared with another at the end.
    if (request_.services == nullptr || !is_empty || is_changed_) return std::nullopt;
    bool exists = false;
    if (auto error = GetService(services, row, nullptr, &exists)) return error;
    is_changed_ |= !exists;
    return std::nullopt;
  }

  Status DumpServers(const ColumnSet& services, size_t row, uint32_t index, Pieces& pieces, uint32_t* datagrams) {
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
