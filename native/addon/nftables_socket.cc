#include "addon/nftables_socket.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "addon/generation_watch.h"
#include "addon/request_job.h"
#include "nftables/elements.h"
#include "nftables/operation.h"

namespace netplane::addon {
namespace {

using nftables::Listed;
using nftables::Listing;
using nftables::ListRequest;

class ListJob : public SocketJob {
 public:
  ListJob(const std::shared_ptr<EnvState>& state, const SocketHandle& handle, ListRequest request)
      : SocketJob(state, handle), request_(std::move(request)) {}
  void Execute() override { result_.emplace(nftables::ListRuleset(socket(), request_)); }
  Napi::Value Complete(Napi::Env env) override {
    if (!result_->ok()) return FailedOutcome(env, result_->error());
    return Outcome(env, NftablesListing::Make(*state(), std::move(*result_).value()));
  }

 private:
  ListRequest request_;
  std::optional<Result<Listing>> result_;
};

Napi::Object WriteElements(Napi::Env env, nftables::ListedElements&& elements) {
  auto object = Napi::Object::New(env);
  object.Set("family", FamilyName(elements.family));
  object.Set("table", elements.table);
  object.Set("set", elements.set);
  auto chunks = Napi::Array::New(env, elements.chunks.size());
  for (uint32_t i = 0; i < elements.chunks.size(); ++i) chunks.Set(i, WriteColumns(env, std::move(elements.chunks[i])));
  object.Set("chunks", chunks);
  return object;
}

struct ElementQuery {
  uint8_t family = 0;
  std::string table;
  std::string set;
  ColumnSet keys{nftables::kElementColumns};
  Deadline deadline;
};

class GetElementsJob : public SocketJob {
 public:
  GetElementsJob(const std::shared_ptr<EnvState>& state, const SocketHandle& handle, ElementQuery query)
      : SocketJob(state, handle), query_(std::move(query)) {}
  void Execute() override {
    result_.emplace(nftables::GetElements(socket(), query_.family, query_.table, query_.set, query_.keys, query_.deadline));
  }
  Napi::Value Complete(Napi::Env env) override {
    if (!result_->ok()) return FailedOutcome(env, result_->error());
    return Outcome(env, WriteElements(env, std::move(*result_).value()));
  }

 private:
  ElementQuery query_;
  std::optional<Result<nftables::ListedElements>> result_;
};

class GenerationJob : public SocketJob {
 public:
  GenerationJob(const std::shared_ptr<EnvState>& state, const SocketHandle& handle, Deadline deadline)
      : SocketJob(state, handle), deadline_(deadline) {}
  void Execute() override { result_.emplace(nftables::GetGeneration(socket(), deadline_)); }
  Napi::Value Complete(Napi::Env env) override {
    if (!result_->ok()) return FailedOutcome(env, result_->error());
    return Outcome(env, WriteRecord(env, result_->value()));
  }

 private:
  Deadline deadline_;
  std::optional<Result<Record>> result_;
};

// The parts of a listing and the request, by the names that JS uses.
struct Part {
  const char* name;
  nftables::Kind kind;
  bool ListRequest::*wanted;
  std::vector<Listed> Listing::*found;
};
constexpr Part kParts[] = {
    {"tables", nftables::Kind::kTable, &ListRequest::tables, &Listing::tables},
    {"chains", nftables::Kind::kChain, &ListRequest::chains, &Listing::chains},
    {"rules", nftables::Kind::kRule, &ListRequest::rules, &Listing::rules},
    {"sets", nftables::Kind::kSet, &ListRequest::sets, &Listing::sets},
    {"objects", nftables::Kind::kObject, &ListRequest::objects, &Listing::objects},
    {"flowtables", nftables::Kind::kFlowtable, &ListRequest::flowtables, &Listing::flowtables},
};

ListRequest ReadListRequest(const Napi::Object& object, uint8_t family) {
  ListRequest request;
  request.family = family;
  request.table = ReadText(object, "table");
  request.chain = ReadText(object, "chain");
  request.name = ReadText(object, "name");
  for (const Part& part : kParts) request.*part.wanted = ReadBool(object, part.name);
  request.object_type = static_cast<uint32_t>(ReadNumber(object, "objectType").value_or(0));
  request.other_than_type = static_cast<uint32_t>(ReadNumber(object, "otherThanType").value_or(0));
  request.elements = ReadBool(object, "elements");
  request.static_elements = ReadBool(object, "staticElements");
  request.reset = ReadBool(object, "reset");
  request.deadline = ReadDeadline(object);
  return request;
}

// Families of requests are checked in TypeScript; an unknown one here lists nothing rather than everything.
std::optional<uint8_t> ReadFamily(const Napi::Object& object) {
  const std::string name = ReadText(object, "family");
  return name.empty() ? std::optional<uint8_t>(0) : FamilyByName(name);
}

}  // namespace

std::optional<uint8_t> FamilyByName(const std::string& name) {
  for (const NamedNumber& family : nftables::kFamilies) {
    if (name == family.name) return static_cast<uint8_t>(family.number);
  }
  return std::nullopt;
}

std::string FamilyName(uint8_t number) {
  for (const NamedNumber& family : nftables::kFamilies) {
    if (number == family.number) return family.name;
  }
  return std::to_string(number);
}

MethodTable NftablesSocket::Methods(Napi::Env env) {
  using Self = NftablesSocket;
  return {
      {"close", Napi::Function::New<CallMethod<Self, &Self::CloseSocket>>(env, "close")},
      {"beginBatch", Napi::Function::New<CallMethod<Self, &Self::BeginBatch>>(env, "beginBatch")},
      {"list", Napi::Function::New<CallMethod<Self, &Self::List>>(env, "list")},
      {"listHere", Napi::Function::New<CallMethod<Self, &Self::ListHere>>(env, "listHere")},
      {"getElements", Napi::Function::New<CallMethod<Self, &Self::GetElements>>(env, "getElements")},
      {"generation", Napi::Function::New<CallMethod<Self, &Self::Generation>>(env, "generation")},
      {"generationHere", Napi::Function::New<CallMethod<Self, &Self::GenerationHere>>(env, "generationHere")},
      {"watchGeneration", Napi::Function::New<CallMethod<Self, &Self::WatchGeneration>>(env, "watchGeneration")},
  };
}

Napi::Value NftablesSocket::BeginBatch(const Napi::CallbackInfo&) {
  return Wrap(*state(), std::make_unique<NftablesBatch>(state(), handle(), answers_));
}

Napi::Value NftablesSocket::List(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto family = ReadFamily(options);
  if (!family) return Resolved(info.Env(), FailedOutcome(info.Env(), Error{EAFNOSUPPORT, "list", "unknown family"}));
  return SocketJob::Run(info.Env(), handle(), std::make_unique<ListJob>(state(), handle(), ReadListRequest(options, *family)));
}

Napi::Value NftablesSocket::ListHere(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto family = ReadFamily(options);
  if (!family) return FailedOutcome(info.Env(), Error{EAFNOSUPPORT, "list", "unknown family"});
  return SocketJob::RunHere(info.Env(), handle(), std::make_unique<ListJob>(state(), handle(), ReadListRequest(options, *family)));
}

Napi::Value NftablesSocket::GetElements(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto family = ReadFamily(options);
  ElementQuery query;
  const Napi::Value keys = options.Get("keys");
  if (!family || !keys.IsObject() || ReadColumns(keys.As<Napi::Object>(), query.keys)) {
    return Resolved(info.Env(), FailedOutcome(info.Env(), Error{EINVAL, "getElements", "the family or the keys are malformed"}));
  }
  query.family = *family;
  query.table = ReadText(options, "table");
  query.set = ReadText(options, "set");
  query.deadline = ReadDeadline(options);
  return SocketJob::Run(info.Env(), handle(), std::make_unique<GetElementsJob>(state(), handle(), std::move(query)));
}

std::unique_ptr<SocketJob> NftablesSocket::MakeGeneration(const Napi::CallbackInfo& info) const {
  auto options = Napi::Object::New(info.Env());
  options.Set("deadlineMs", info[0]);
  return std::make_unique<GenerationJob>(state(), handle(), ReadDeadline(options));
}

// generation(deadlineMs)
Napi::Value NftablesSocket::Generation(const Napi::CallbackInfo& info) {
  return SocketJob::Run(info.Env(), handle(), MakeGeneration(info));
}

// generationHere(deadlineMs)
Napi::Value NftablesSocket::GenerationHere(const Napi::CallbackInfo& info) {
  return SocketJob::RunHere(info.Env(), handle(), MakeGeneration(info));
}

// watchGeneration(callback)
Napi::Value NftablesSocket::WatchGeneration(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsFunction()) {
    Napi::TypeError::New(env, "the callback is no function").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  if (state()->ending()) return env.Undefined();
  auto watch = GenerationWatch::Start(state(), handle(), Napi::Persistent(info[0].As<Napi::Function>()));
  if (!watch) {
    Napi::Error::New(env, "uv_timer_init").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Wrap(*state(), std::make_unique<GenerationWatchObject>(std::move(watch)));
}

MethodTable NftablesListing::Methods(Napi::Env env) {
  using Self = NftablesListing;
  return {
      {"take", Napi::Function::New<CallMethod<Self, &Self::Take>>(env, "take")},
      {"takeElements", Napi::Function::New<CallMethod<Self, &Self::TakeElements>>(env, "takeElements")},
  };
}

Napi::Value NftablesListing::Make(EnvState& state, Listing listing) {
  const Napi::Env env(state.env());
  auto counts = Napi::Object::New(env);
  for (const Part& part : kParts) counts.Set(part.name, Napi::Number::New(env, static_cast<double>((listing.*part.found).size())));
  counts.Set("elements", Napi::Number::New(env, static_cast<double>(listing.elements.size())));
  const uint32_t generation = listing.generation;
  const Napi::Value wrapped = Wrap(state, std::make_unique<NftablesListing>(std::move(listing)));
  if (!wrapped.IsObject()) return wrapped;
  auto object = wrapped.As<Napi::Object>();
  object.Set("generation", Napi::Number::New(env, generation));
  object.Set("counts", counts);
  return object;
}

namespace {

struct Page {
  size_t from = 0;
  size_t end = 0;
};

// The page that two arguments ask for, cut to what there is.
Page ReadPage(const Napi::Value& from, const Napi::Value& count, size_t size) {
  if (!from.IsNumber() || !count.IsNumber()) return {};
  const size_t first = std::min<size_t>(from.As<Napi::Number>().Uint32Value(), size);
  return {first, first + std::min<size_t>(count.As<Napi::Number>().Uint32Value(), size - first)};
}

}  // namespace

Napi::Value NftablesListing::Take(const Napi::CallbackInfo& info) {
  const std::string name = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : std::string();
  Bytes run;
  for (const Part& part : kParts) {
    if (name != part.name) continue;
    auto& found = listing_.*part.found;
    const Page page = ReadPage(info[1], info[2], found.size());
    for (size_t i = page.from; i < page.end; ++i) {
      // Let go of at once: freeing a large listing in one go would hold the event loop as well.
      const Listed listed = std::exchange(found[i], Listed());
      if (listed.value.schema == nullptr) continue;
      nftables::PutOperationHeader(nftables::Verb::kAdd, part.kind, listed.family, listed.attributes.size(), &run);
      run.insert(run.end(), listed.attributes.begin(), listed.attributes.end());
      run.resize(Align4(run.size()));
    }
  }
  return WriteBytes(info.Env(), std::move(run));
}

Napi::Value NftablesListing::TakeElements(const Napi::CallbackInfo& info) {
  const Page page = ReadPage(info[0], info[1], listing_.elements.size());
  auto array = Napi::Array::New(info.Env());
  for (size_t i = page.from; i < page.end; ++i) {
    array.Set(static_cast<uint32_t>(i - page.from), WriteElements(info.Env(), std::exchange(listing_.elements[i], {})));
  }
  return array;
}

}  // namespace netplane::addon
