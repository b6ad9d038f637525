#include "addon/route_events.h"

#include <linux/rtnetlink.h>

#include <vector>

#include "addon/convert.h"
#include "addon/route_socket.h"
#include "route/events.h"

namespace netplane::addon {
namespace {

const char* EventName(uint16_t type) {
  static constexpr struct {
    uint16_t type;
    const char* name;
  } kNames[] = {{RTM_NEWLINK, "newlink"}, {RTM_DELLINK, "dellink"},   {RTM_NEWADDR, "newaddr"},
                {RTM_DELADDR, "deladdr"}, {RTM_NEWROUTE, "newroute"}, {RTM_DELROUTE, "delroute"}};
  for (const auto& known : kNames) {
    if (known.type == type) return known.name;
  }
  return "";
}

// Events between two losses; a loss stands between two runs.
class RouteCollector : public EventCollector {
 public:
  void Add(const Message& message) override {
    if (runs_.empty()) runs_.emplace_back();
    if (route::CollectEvent(message, runs_.back()) == route::EventEnd::kMalformed) AddLost();
  }

  void AddLost() override {
    if (runs_.empty()) runs_.emplace_back();
    // Two losses with nothing between them are one.
    if (runs_.size() == 1 || !runs_.back().empty()) runs_.emplace_back();
  }

  bool empty() const override { return runs_.empty() || (runs_.size() == 1 && runs_[0].empty()); }

  Napi::Array Take(Napi::Env env) override {
    auto array = Napi::Array::New(env);
    for (size_t run = 0; run < runs_.size(); ++run) {
      if (run > 0) array.Set(array.Length(), Napi::String::New(env, "lost"));
      for (route::Event& event : runs_[run]) array.Set(array.Length(), Write(env, event));
    }
    runs_.clear();
    return array;
  }

 private:
  static Napi::Object Write(Napi::Env env, route::Event& event) {
    auto object = Napi::Object::New(env);
    object.Set("type", EventName(event.type));
    object.Set("portId", Napi::Number::New(env, event.port_id));
    object.Set("sequence", Napi::Number::New(env, event.sequence));
    if (event.link) {
      object.Set("link", WriteLink(env, *event.link));
    } else if (event.route) {
      object.Set("route", WriteRoute(env, std::move(*event.route)));
    } else {
      object.Set("addresses", WriteColumns(env, std::move(event.addresses)));
    }
    return object;
  }

  std::vector<std::vector<route::Event>> runs_;
};

}  // namespace

std::unique_ptr<EventCollector> MakeRouteCollector() { return std::make_unique<RouteCollector>(); }

}  // namespace netplane::addon
