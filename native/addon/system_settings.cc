#include "addon/system_settings.h"

#include <cerrno>
#include <optional>
#include <string>

#include "addon/convert.h"
#include "addon/job.h"
#include "addon/request_job.h"
#include "addon/socket_handle.h"
#include "netlink/namespace_file.h"

namespace netplane::addon {
namespace {

constexpr size_t kMostBytes = 4096;
constexpr const char* kSettings = "/proc/sys/net/";
// Not /proc/net, which is that of the process's first thread.
constexpr const char* kNetworkFiles = "/proc/thread-self/net/";

struct Request {
  NetworkNamespace where;
  std::string path;
  /// Absent: read.
  std::optional<std::string> value;
};

class SettingJob : public Job {
 public:
  SettingJob(std::shared_ptr<EnvState> state, Request request) : Job(std::move(state)), request_(std::move(request)) {}

  void Execute() override {
    if (request_.value) {
      failure_ = WriteNamespaceFile(request_.where, request_.path, *request_.value);
      return;
    }
    auto content = ReadNamespaceFile(request_.where, request_.path, kMostBytes);
    if (content.ok()) {
      content_ = std::move(content).value();
    } else {
      failure_ = content.error();
    }
  }

  Napi::Value Complete(Napi::Env env) override {
    if (failure_) return FailedOutcome(env, *failure_);
    if (request_.value) return Outcome(env, env.Undefined());
    return Outcome(env, Napi::String::New(env, content_));
  }

 private:
  const Request request_;
  std::string content_;
  Status failure_;
};

// Names of files below a directory; anything that could lead elsewhere is none.
bool IsName(const std::string& name) {
  const bool is_plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == std::string::npos;
  return is_plain && !name.empty() && name.front() != '/' && name.find("..") == std::string::npos;
}

Napi::Value Submit(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state, const char* directory, bool writes) {
  const Napi::Object options = OptionsOf(info);
  const std::string name = ReadText(options, "name");
  if (state->ending()) return info.Env().Undefined();
  if (!IsName(name)) return Refused(info.Env(), "setting", std::string("the name is none of a file below ") + directory);
  Request request{ReadNamespace(options), directory + name, std::nullopt};
  if (writes) request.value = ReadText(options, "value");
  return Job::Submit(std::make_unique<SettingJob>(state, std::move(request)));
}

}  // namespace

Napi::Value ReadSystemSetting(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state) {
  return Submit(info, state, kSettings, false);
}

Napi::Value WriteSystemSetting(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state) {
  return Submit(info, state, kSettings, true);
}

Napi::Value ReadNetworkFile(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state) {
  return Submit(info, state, kNetworkFiles, false);
}

}  // namespace netplane::addon
