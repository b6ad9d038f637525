// NativeNftablesSocket, NativeBatch and NativeListing of src/native/nftables.ts.
#ifndef NETPLANE_ADDON_NFTABLES_SOCKET_H_
#define NETPLANE_ADDON_NFTABLES_SOCKET_H_

#include <memory>
#include <vector>

#include "addon/socket_handle.h"
#include "nftables/commit.h"
#include "nftables/list.h"

namespace netplane::addon {

class NftablesSocket : public SocketObject {
 public:
  static constexpr const char* kClassName = "NftablesSocket";
  using SocketObject::SocketObject;
  static MethodTable Methods(Napi::Env env);

  Napi::Value BeginBatch(const Napi::CallbackInfo& info);
  Napi::Value List(const Napi::CallbackInfo& info);
  Napi::Value ListHere(const Napi::CallbackInfo& info);
  Napi::Value GetElements(const Napi::CallbackInfo& info);
  Napi::Value Generation(const Napi::CallbackInfo& info);
  Napi::Value GenerationHere(const Napi::CallbackInfo& info);
  Napi::Value WatchGeneration(const Napi::CallbackInfo& info);
  Napi::Value CloseSocket(const Napi::CallbackInfo& info) { return Close(info); }

 private:
  std::unique_ptr<SocketJob> MakeGeneration(const Napi::CallbackInfo& info) const;

  std::shared_ptr<BatchAnswers> answers_ = std::make_shared<BatchAnswers>();
};

/// Operations collected for one commit.
class NftablesBatch {
 public:
  static constexpr const char* kClassName = "NftablesBatch";
  using Operations = std::vector<nftables::Operation>;
  NftablesBatch(std::shared_ptr<EnvState> state, SocketHandle handle, std::shared_ptr<BatchAnswers> answers)
      : state_(std::move(state)), handle_(std::move(handle)), answers_(std::move(answers)) {}
  static MethodTable Methods(Napi::Env env);

  Napi::Value Add(const Napi::CallbackInfo& info);
  Napi::Value AddElements(const Napi::CallbackInfo& info);
  Napi::Value Commit(const Napi::CallbackInfo& info);
  Napi::Value CommitHere(const Napi::CallbackInfo& info);

 private:
  std::unique_ptr<SocketJob> MakeCommit(const Napi::CallbackInfo& info);

  std::shared_ptr<EnvState> state_;
  SocketHandle handle_;
  std::shared_ptr<BatchAnswers> answers_;
  /// Shared with the jobs that commit them; nothing may be added once one was submitted.
  std::shared_ptr<Operations> operations_ = std::make_shared<Operations>();
  bool submitted_ = false;
};

/// What a list job found. Records cross as operations that would add them (nftables/operation.h), a page at a time.
class NftablesListing {
 public:
  static constexpr const char* kClassName = "NftablesListing";
  explicit NftablesListing(nftables::Listing listing) : listing_(std::move(listing)) {}
  static MethodTable Methods(Napi::Env env);
  static Napi::Value Make(EnvState& state, nftables::Listing listing);

  /// take(kind, from, count): records [from, from + count) of a kind, each at most once.
  Napi::Value Take(const Napi::CallbackInfo& info);
  /// takeElements(from, count): likewise the elements of sets.
  Napi::Value TakeElements(const Napi::CallbackInfo& info);

 private:
  nftables::Listing listing_;
};

/// A family by its name, or nothing.
std::optional<uint8_t> FamilyByName(const std::string& name);
/// A family's name; its number as text where it has none.
std::string FamilyName(uint8_t family);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_NFTABLES_SOCKET_H_
