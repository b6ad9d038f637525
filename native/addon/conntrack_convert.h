// Between JS values and the flows of native/conntrack.
#ifndef NETPLANE_ADDON_CONNTRACK_CONVERT_H_
#define NETPLANE_ADDON_CONNTRACK_CONVERT_H_

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "addon/convert.h"
#include "conntrack/filter.h"
#include "conntrack/flows.h"

namespace netplane::addon {

/// A number as JS has it.
inline Napi::Value Number(Napi::Env env, uint64_t number) { return Napi::Number::New(env, static_cast<double>(number)); }

/// NativeFlowPiece: columns, and the rare attributes of some rows.
Napi::Object WritePiece(Napi::Env env, conntrack::FlowPiece&& piece);

/// NativeCutReport.
Napi::Value WriteRemoval(Napi::Env env, conntrack::RemovalReport&& report);

/// Reads the compiled filter of a call (Uint8Array `filter`, absent: every flow); null where it is none.
std::shared_ptr<const conntrack::FlowFilter> ReadFilter(const Napi::Object& options);

/// Reads the verb, rows and details of a change; what is wrong with them, or nothing.
std::optional<std::string> ReadChange(const Napi::Object& options, conntrack::FlowChange& change);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_CONNTRACK_CONVERT_H_
