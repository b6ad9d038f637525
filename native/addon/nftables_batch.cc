#include <cerrno>

#include "addon/nftables_socket.h"
#include "nftables/elements.h"

namespace netplane::addon {
namespace {

using nftables::Kind;
using nftables::Operation;
using nftables::Verb;

constexpr NamedValue<Verb> kVerbs[] = {
    {"add", Verb::kAdd},       {"create", Verb::kCreate},   {"insert", Verb::kInsert}, {"replace", Verb::kReplace},
    {"delete", Verb::kDelete}, {"destroy", Verb::kDestroy}, {"flush", Verb::kFlush},
};
constexpr NamedValue<Kind> kKinds[] = {
    {"table", Kind::kTable}, {"chain", Kind::kChain},   {"rule", Kind::kRule},
    {"set", Kind::kSet},     {"object", Kind::kObject}, {"flowtable", Kind::kFlowtable},
};

std::string TextAt(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsString() ? info[index].As<Napi::String>().Utf8Value() : std::string();
}

// Reads the arguments that both kinds of operation begin with.
std::optional<Invalid> ReadHead(const Napi::CallbackInfo& info, size_t verb, size_t family, Operation& operation) {
  const Verb* named_verb = FindNamed(kVerbs, TextAt(info, verb));
  if (!named_verb) return Invalid{"verb", info[verb], "add, create, insert, replace, delete, destroy, flush"};
  const auto number = FamilyByName(TextAt(info, family));
  if (!number) return Invalid{"family", info[family], "inet, ip, arp, netdev, bridge, ip6"};
  operation.verb = *named_verb;
  operation.family = *number;
  return std::nullopt;
}

std::optional<Invalid> ReadObject(const Napi::CallbackInfo& info, size_t index, Operation& operation) {
  if (!nftables::FormOf(operation.verb, operation.kind)) return Invalid{"verb", info[0], "a verb that nf_tables has for this kind"};
  if (!info[index].IsObject()) return Invalid{"", info[index], "an object"};
  if (auto invalid = ReadRecord(info[index].As<Napi::Object>(), nftables::SchemaOf(operation.kind), "", operation.value)) return invalid;
  if (const char* field = nftables::MissingField(operation)) return Invalid{field, info.Env().Undefined(), "a value: this verb needs it"};
  return std::nullopt;
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
  };
}

// add(verb, kind, family, value, echo)
Napi::Value NftablesBatch::Add(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (submitted_) return Refused(info);
  Operation operation;
  const Kind* kind = FindNamed(kKinds, TextAt(info, 1));
  if (!kind) return Invalid{"kind", info[1], "table, chain, rule, set, object, flowtable"}.ToJs(env);
  operation.kind = *kind;
  operation.echo = info[4].IsBoolean() && info[4].As<Napi::Boolean>().Value();
  if (auto invalid = ReadHead(info, 0, 2, operation)) return invalid->ToJs(env);
  if (auto invalid = ReadObject(info, 3, operation)) return invalid->ToJs(env);
  operations_->push_back(std::move(operation));
  return env.Undefined();
}

// addElements(verb, family, header, columns?)
Napi::Value NftablesBatch::AddElements(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (submitted_) return Refused(info);
  Operation operation;
  operation.kind = Kind::kElements;
  if (auto invalid = ReadHead(info, 0, 1, operation)) return invalid->ToJs(env);
  if (auto invalid = ReadObject(info, 2, operation)) return invalid->ToJs(env);
  if (info[3].IsObject()) {
    operation.elements = std::make_unique<ColumnSet>(nftables::kElementColumns);
    if (auto invalid = ReadColumns(info[3].As<Napi::Object>(), *operation.elements)) return invalid->ToJs(env);
  }
  operations_->push_back(std::move(operation));
  return env.Undefined();
}

Napi::Value NftablesBatch::Commit(const Napi::CallbackInfo& info) {
  submitted_ = true;
  auto options = ReadCommitOptions(info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(info.Env()));
  options.answers = answers_;
  return SocketJob::Run(info.Env(), handle_, std::make_unique<CommitJob>(state_, handle_, operations_, options));
}

}  // namespace netplane::addon
