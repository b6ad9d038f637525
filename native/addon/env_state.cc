#include "addon/env_state.h"

#include <utility>
#include <vector>

namespace netplane::addon {

EnvState* EnvState::Create(napi_env env) {
  std::shared_ptr<EnvState> state(new EnvState(env));
  if (!state->KeepPromiseClass() || !state->lane_.Start()) return nullptr;
  if (napi_add_async_cleanup_hook(env, CleanUp, state.get(), &state->hook_) != napi_ok) {
    state->self_ = state;
    state->lane_.Stop([](void* argument) { static_cast<EnvState*>(argument)->self_.reset(); }, state.get());
    return nullptr;
  }
  state->self_ = state;
  return state.get();
}

bool EnvState::KeepPromiseClass() {
  napi_value global = nullptr;
  napi_value constructor = nullptr;
  return napi_get_global(env(), &global) == napi_ok && napi_get_named_property(env(), global, "Promise", &constructor) == napi_ok &&
         napi_create_reference(env(), constructor, 1, &promise_class_) == napi_ok;
}

void EnvState::CleanUp(napi_async_cleanup_hook_handle, void* data) {
  auto* state = static_cast<EnvState*>(data);
  state->ending_ = true;
  state->classes_.clear();
  napi_delete_reference(state->env(), std::exchange(state->promise_class_, nullptr));
  // Closing takes a resource out of the set, now or later: iterate over a copy.
  const std::vector<LoopResource*> resources(state->resources_.begin(), state->resources_.end());
  for (LoopResource* resource : resources) resource->CloseForExit();
  state->lane_.Stop(
      [](void* argument) {
        auto* stopped = static_cast<EnvState*>(argument);
        stopped->lane_stopped_ = true;
        stopped->FinishWhenQuiet();
      },
      state);
}

void EnvState::Released(LoopResource* resource) {
  resources_.erase(resource);
  FinishWhenQuiet();
}

void EnvState::FinishWhenQuiet() {
  if (!ending_ || !lane_stopped_ || !resources_.empty() || !hook_) return;
  napi_remove_async_cleanup_hook(hook_);
  hook_ = nullptr;
  self_.reset();
}

}  // namespace netplane::addon
