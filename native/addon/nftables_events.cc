#include "addon/nftables_events.h"

#include <linux/netfilter/nfnetlink.h>

#include <cctype>
#include <optional>
#include <string>
#include <vector>

#include "addon/convert.h"
#include "addon/nftables_socket.h"
#include "nftables/elements.h"
#include "nftables/request.h"
#include "nftables/schemas.h"

namespace netplane::addon {
namespace {

constexpr size_t kHeaderBytes = sizeof(nfgenmsg);

struct Event {
  bool lost = false;
  std::string type;
  uint8_t family = 0;
  uint32_t port_id = 0;
  uint32_t sequence = 0;
  Record value;
  std::optional<ColumnSet> elements;
};

// "NFT_MSG_NEWTABLE" -> "newtable".
std::string EventName(const char* kernel_name) {
  std::string name = std::string(kernel_name).substr(sizeof("NFT_MSG_") - 1);
  for (char& letter : name) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return name;
}

bool SameText(const Record& a, const Record& b, const char* name) {
  const Value* left = a.Find(a.schema->FindName(name));
  const Value* right = b.Find(b.schema->FindName(name));
  return left && right && left->As<std::string>() && right->As<std::string>() && *left->As<std::string>() == *right->As<std::string>();
}

bool ContinuesElements(const Event& last, const Event& next) {
  return last.elements && last.type == next.type && last.family == next.family && last.port_id == next.port_id &&
         last.sequence == next.sequence && SameText(last.value, next.value, "table") && SameText(last.value, next.value, "set");
}

class NftablesCollector : public EventCollector {
 public:
  void Add(const Message& message) override {
    const MessageDescription description = nftables::Describe(message.type);
    if (!description.name || !description.schema || message.body.size() < kHeaderBytes) return AddLost();
    Event event;
    event.type = EventName(description.name);
    event.family = message.body[0];
    event.port_id = message.port_id;
    event.sequence = message.sequence;
    const ByteView attributes = message.body.subspan(kHeaderBytes);
    auto record = DecodeRecord(*description.schema, attributes);
    if (!record) return AddLost();
    event.value = std::move(*record);
    if (description.schema == &nftables::kElementListSchema) return AddElements(std::move(event), attributes);
    events_.push_back(std::move(event));
  }

  void AddLost() override {
    if (!events_.empty() && events_.back().lost) return;
    Event event;
    event.lost = true;
    events_.push_back(std::move(event));
  }

  bool empty() const override { return events_.empty(); }

  Napi::Array Take(Napi::Env env) override {
    auto array = Napi::Array::New(env, events_.size());
    RecordWriter writer(env);
    for (uint32_t i = 0; i < events_.size(); ++i) array.Set(i, Write(env, writer, events_[i]));
    events_.clear();
    return array;
  }

 private:
  void AddElements(Event event, ByteView attributes) {
    const bool merge = !events_.empty() && ContinuesElements(events_.back(), event);
    if (!merge) {
      event.elements.emplace(nftables::kElementColumns);
      events_.push_back(std::move(event));
    }
    if (!nftables::DecodeElements(nftables::ElementsOf(attributes), *events_.back().elements)) AddLost();
  }

  static Napi::Value Write(Napi::Env env, RecordWriter& writer, Event& event) {
    if (event.lost) return Napi::String::New(env, "lost");
    auto object = Napi::Object::New(env);
    object.Set("type", event.type);
    object.Set("family", FamilyName(event.family));
    object.Set("portId", Napi::Number::New(env, event.port_id));
    object.Set("sequence", Napi::Number::New(env, event.sequence));
    object.Set("value", writer.Write(event.value));
    if (event.elements) object.Set("elements", WriteColumns(env, std::move(*event.elements)));
    return object;
  }

  std::vector<Event> events_;
};

}  // namespace

std::unique_ptr<EventCollector> MakeNftablesCollector() { return std::make_unique<NftablesCollector>(); }

}  // namespace netplane::addon
