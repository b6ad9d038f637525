// Errors as values: the native library throws nothing across its edge.
#ifndef NETPLANE_NETLINK_RESULT_H_
#define NETPLANE_NETLINK_RESULT_H_

#include <optional>
#include <string>
#include <utility>

namespace netplane {

/// Why an operation as a whole failed (an item's own refusal is an ItemError, see batch.h).
struct Error {
  /// Positive errno.
  int code = 0;
  /// What was being done, for people: "socket(AF_NETLINK)", "setns", "recvmsg".
  std::string operation;
  /// What the kernel said beside the errno (NLMSGERR_ATTR_MSG), or more detail of ours; often empty.
  std::string message;
  /// True where the kernel may have applied what was sent although no proof arrived (ENOBUFS, deadline).
  bool outcome_unknown = false;
};

/// Either a value or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_;
};

/// Success, or why not: true where there is an error, which must be looked at.
class [[nodiscard]] Status : public std::optional<Error> {
 public:
  using std::optional<Error>::optional;
};

}  // namespace netplane

#endif  // NETPLANE_NETLINK_RESULT_H_
