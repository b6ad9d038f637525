#include "addon/ipvs_connections.h"

#include <cerrno>

#include "addon/request_job.h"

namespace netplane::addon {
namespace {

class OpenJob : public Job {
 public:
  OpenJob(std::shared_ptr<EnvState> state, NetworkNamespace where) : Job(std::move(state)), where_(std::move(where)) {}
  void Execute() override { table_.emplace(ipvs::ConnectionTable::Open(where_)); }
  Napi::Value Complete(Napi::Env env) override {
    if (!table_->ok()) return FailedOutcome(env, table_->error());
    return Outcome(env, Wrap(*state(), std::make_unique<IpvsConnections>(state(), std::move(*table_).value())));
  }

 private:
  NetworkNamespace where_;
  std::optional<Result<std::unique_ptr<ipvs::ConnectionTable>>> table_;
};

class ReadJob : public Job {
 public:
  ReadJob(std::shared_ptr<EnvState> state, std::shared_ptr<ipvs::ConnectionTable> table, std::shared_ptr<bool> busy, size_t rows)
      : Job(std::move(state)), table_(std::move(table)), busy_(std::move(busy)), rows_(rows) {
    *busy_ = true;
  }
  ~ReadJob() override { *busy_ = false; }
  void Execute() override { columns_.emplace(table_->Read(rows_)); }
  Napi::Value Complete(Napi::Env env) override {
    if (!columns_->ok()) return FailedOutcome(env, columns_->error());
    return Outcome(env, WriteColumns(env, std::move(*columns_).value()));
  }

 private:
  std::shared_ptr<ipvs::ConnectionTable> table_;
  /// On the environment's thread only.
  std::shared_ptr<bool> busy_;
  const size_t rows_;
  std::optional<Result<ColumnSet>> columns_;
};

}  // namespace

MethodTable IpvsConnections::Methods(Napi::Env env) {
  using Self = IpvsConnections;
  return {
      {"read", Napi::Function::New<CallMethod<Self, &Self::Read>>(env, "read")},
      {"close", Napi::Function::New<CallMethod<Self, &Self::Close>>(env, "close")},
  };
}

Napi::Value IpvsConnections::Open(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state) {
  SocketOptions options;
  ReadOpenOptions(OptionsOf(info), options);
  return Job::Submit(std::make_unique<OpenJob>(state, std::move(options.network_namespace)));
}

Napi::Value IpvsConnections::Read(const Napi::CallbackInfo& info) {
  if (!table_) return Resolved(info.Env(), FailedOutcome(info.Env(), Error{EBADF, "read ip_vs_conn", "the table is closed"}));
  if (*busy_) return Resolved(info.Env(), FailedOutcome(info.Env(), Error{EBUSY, "read ip_vs_conn", "another read is under way"}));
  return Job::Submit(std::make_unique<ReadJob>(state_, table_, busy_, ReadUint32(OptionsOf(info), "rows")));
}

Napi::Value IpvsConnections::Close(const Napi::CallbackInfo& info) {
  table_.reset();
  return info.Env().Undefined();
}

}  // namespace netplane::addon
