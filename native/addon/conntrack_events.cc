#include "addon/conntrack_events.h"

#include <vector>

#include "addon/conntrack_convert.h"
#include "conntrack/events.h"

namespace netplane::addon {
namespace {

constexpr const char* kTypes[] = {"new", "update", "destroy"};

// Runs of events between two losses.
class ConntrackCollector : public EventCollector {
 public:
  explicit ConntrackCollector(std::shared_ptr<const conntrack::FlowFilter> filter) : filter_(std::move(filter)) {}

  void Add(const Message& message) override {
    if (spans_.empty()) spans_.emplace_back();
    if (conntrack::CollectEvent(message, *filter_, spans_.back()) == conntrack::EventEnd::kMalformed) AddLost();
  }

  void AddLost() override {
    if (spans_.empty()) spans_.emplace_back();
    // Two losses with nothing between them are one.
    if (spans_.size() == 1 || !spans_.back().empty()) spans_.emplace_back();
  }

  bool empty() const override { return spans_.empty() || (spans_.size() == 1 && spans_[0].empty()); }

  Napi::Array Take(Napi::Env env) override {
    auto array = Napi::Array::New(env);
    for (size_t span = 0; span < spans_.size(); ++span) {
      if (span > 0) array.Set(array.Length(), Napi::String::New(env, "lost"));
      for (conntrack::EventRun& run : spans_[span]) array.Set(array.Length(), Write(env, run));
    }
    spans_.clear();
    return array;
  }

 private:
  static Napi::Object Write(Napi::Env env, conntrack::EventRun& run) {
    auto object = WritePiece(env, std::move(run.piece));
    object.Set("type", kTypes[static_cast<size_t>(run.type)]);
    object.Set("portId", Napi::Number::New(env, run.port_id));
    return object;
  }

  std::shared_ptr<const conntrack::FlowFilter> filter_;
  std::vector<std::vector<conntrack::EventRun>> spans_;
};

}  // namespace

std::unique_ptr<EventCollector> MakeConntrackCollector(std::shared_ptr<const conntrack::FlowFilter> filter) {
  return std::make_unique<ConntrackCollector>(std::move(filter));
}

}  // namespace netplane::addon
