// What the sockets of all families share: a request as a job, and reading the options of a call.
#ifndef NETPLANE_ADDON_REQUEST_JOB_H_
#define NETPLANE_ADDON_REQUEST_JOB_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "addon/socket_handle.h"
#include "netlink/batch.h"
#include "netlink/columns.h"
#include "netlink/result.h"

namespace netplane::addon {

/// A request that ends in a Result<T>: `work` runs on the pool, `write` makes the JS value of what it found.
template <typename T>
class RequestJob : public SocketJob {
 public:
  using Work = std::function<Result<T>(Socket&)>;
  using Write = Napi::Value (*)(Napi::Env, T&&);
  RequestJob(const std::shared_ptr<EnvState>& state, const SocketHandle& handle, Work work, Write write)
      : SocketJob(state, handle), work_(std::move(work)), write_(write) {}
  void Execute() override { result_.emplace(work_(socket())); }
  Napi::Value Complete(Napi::Env env) override {
    if (!result_->ok()) return FailedOutcome(env, result_->error());
    return Outcome(env, write_(env, std::move(*result_).value()));
  }

 private:
  Work work_;
  Write write_;
  std::optional<Result<T>> result_;
};

/// Runs `work` on the pool after the jobs before it; the promise is that of NativeOutcome.
template <typename T>
Napi::Value RunOnSocket(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state, const SocketHandle& handle,
                        typename RequestJob<T>::Work work, typename RequestJob<T>::Write write) {
  return SocketJob::Run(info.Env(), handle, std::make_unique<RequestJob<T>>(state, handle, std::move(work), write));
}

/// What became of a batch, its refusals as columns (NativeBatchReport): objects would be thousands.
struct BatchOutcome {
  BatchOutcome() = default;
  explicit BatchOutcome(BatchReport report);
  BatchReport report;
  ColumnSet errors;
};
Napi::Object WriteBatchOutcome(Napi::Env env, BatchOutcome&& outcome);

/// Columns in pieces, as a list of NativeColumns.
Napi::Value WritePieces(Napi::Env env, std::vector<ColumnSet>&& pieces);
/// The object that a call was given, or an empty one.
Napi::Object OptionsOf(const Napi::CallbackInfo& info);
/// A property as a whole number; 0 where it is none.
uint32_t ReadUint32(const Napi::Object& object, const char* name);
/// A promise of a failure. The client has checked the caller's values; what is wrong here is the client's mistake.
Napi::Value Refused(Napi::Env env, const char* operation, const std::string& why);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_REQUEST_JOB_H_
