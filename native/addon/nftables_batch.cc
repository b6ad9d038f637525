#include <cerrno>

#include "addon/nftables_socket.h"
#include "nftables/elements.h"
#include "nftables/operation.h"

namespace netplane::addon {
namespace {

// Reads a run of operations; what is refused is named by the number of the operation in the run.
Napi::Value ReadRun(const Napi::CallbackInfo& info, bool echoes, NftablesBatch::Operations* operations) {
  const Napi::Env env = info.Env();
  const bool is_bytes = info[0].IsTypedArray() && info[0].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
  if (!is_bytes) return Invalid{"", env.Undefined(), "a Uint8Array of operations"}.ToJs(env);
  const auto run = info[0].As<Napi::Uint8Array>();
  const auto refused = nftables::ReadOperations(ByteView(run.Data(), run.ByteLength()), echoes, operations);
  if (!refused) return env.Undefined();
  const bool is_missing = refused->field != nullptr;
  const Invalid invalid{is_missing ? refused->field : "", env.Undefined(),
                        is_missing ? "a value: this verb needs it" : "an operation, and a verb that nf_tables has for its kind"};
  auto object = invalid.ToJs(env).As<Napi::Object>();
  object.Set("index", Napi::Number::New(env, refused->index));
  return object;
}

class CommitJob : public SocketJob {
 public:
  CommitJob(std::shared_ptr<EnvState> state, const SocketHandle& handle, std::shared_ptr<NftablesBatch::Operations> operations,
            nftables::CommitOptions options)
      : SocketJob(std::move(state), handle), operations_(std::move(operations)), options_(std::move(options)) {}

  void Execute() override { report_ = nftables::Commit(socket(), *operations_, options_); }

  Napi::Value Complete(Napi::Env env) override {
    auto result = Napi::Object::New(env);
    const TransactionReport& transaction = report_.transaction;
    result.Set("applied", transaction.applied);
    result.Set("generation", Napi::Number::New(env, report_.generation));
    if (transaction.failure) result.Set("failure", WriteFailure(env, *transaction.failure));
    result.Set("errors", WriteItemErrors(env, transaction.errors));
    result.Set("echoes", WriteEchoes(env));
    result.Set("bytes", Napi::Number::New(env, static_cast<double>(transaction.bytes)));
    result.Set("systemCalls", Napi::Number::New(env, transaction.system_calls));
    if (options_.record) result.Set("datagram", WriteBytes(env, std::move(report_.bytes)));
    return result;
  }

 private:
  Napi::Array WriteEchoes(Napi::Env env) const {
    auto array = Napi::Array::New(env, report_.echoes.size());
    RecordWriter writer(env);
    for (uint32_t i = 0; i < report_.echoes.size(); ++i) {
      auto echo = Napi::Object::New(env);
      echo.Set("index", Napi::Number::New(env, report_.echoes[i].index));
      echo.Set("value", writer.Write(report_.echoes[i].value));
      array.Set(i, echo);
    }
    return array;
  }

  std::shared_ptr<NftablesBatch::Operations> operations_;
  nftables::CommitOptions options_;
  nftables::CommitReport report_;
};

nftables::CommitOptions ReadCommitOptions(const Napi::Object& object) {
  nftables::CommitOptions options;
  options.deadline = ReadDeadline(object);
  if (const auto generation = ReadNumber(object, "generation"); generation && *generation >= 0 && *generation <= UINT32_MAX) {
    options.generation = static_cast<uint32_t>(*generation);
  }
  options.dry_run = ReadBool(object, "dryRun");
  options.record = ReadBool(object, "record");
  return options;
}

Napi::Value Refused(const Napi::CallbackInfo& info) {
  return Invalid{"", info.Env().Undefined(), "nothing more: the batch was committed or is being committed"}.ToJs(info.Env());
}

}  // namespace

MethodTable NftablesBatch::Methods(Napi::Env env) {
  return {
      {"add", Napi::Function::New<CallMethod<NftablesBatch, &NftablesBatch::Add>>(env, "add")},
      {"addElements", Napi::Function::New<CallMethod<NftablesBatch, &NftablesBatch::AddElements>>(env, "addElements")},
      {"commit", Napi::Function::New<CallMethod<NftablesBatch, &NftablesBatch::Commit>>(env, "commit")},
      {"commitHere", Napi::Function::New<CallMethod<NftablesBatch, &NftablesBatch::CommitHere>>(env, "commitHere")},
  };
}

// add(run, echoes)
Napi::Value NftablesBatch::Add(const Napi::CallbackInfo& info) {
  if (submitted_) return Refused(info);
  return ReadRun(info, info[1].IsBoolean() && info[1].As<Napi::Boolean>().Value(), operations_.get());
}

// addElements(operation, columns?)
Napi::Value NftablesBatch::AddElements(const Napi::CallbackInfo& info) {
  if (submitted_) return Refused(info);
  const size_t before = operations_->size();
  const Napi::Value refused = ReadRun(info, false, operations_.get());
  if (!refused.IsUndefined() || !info[1].IsObject() || operations_->size() != before + 1) return refused;
  auto columns = std::make_unique<ColumnSet>(nftables::kElementColumns);
  if (auto invalid = ReadColumns(info[1].As<Napi::Object>(), *columns)) return invalid->ToJs(info.Env());
  operations_->back().elements = std::move(columns);
  return refused;
}

std::unique_ptr<SocketJob> NftablesBatch::MakeCommit(const Napi::CallbackInfo& info) {
  submitted_ = true;
  auto options = ReadCommitOptions(info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(info.Env()));
  options.answers = answers_;
  return std::make_unique<CommitJob>(state_, handle_, operations_, options);
}

Napi::Value NftablesBatch::Commit(const Napi::CallbackInfo& info) { return SocketJob::Run(info.Env(), handle_, MakeCommit(info)); }

Napi::Value NftablesBatch::CommitHere(const Napi::CallbackInfo& info) { return SocketJob::RunHere(info.Env(), handle_, MakeCommit(info)); }

}  // namespace netplane::addon
