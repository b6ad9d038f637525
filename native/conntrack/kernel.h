// What the codec needs of the kernel's headers, and what older ones do not have yet.
#ifndef NETPLANE_CONNTRACK_KERNEL_H_
#define NETPLANE_CONNTRACK_KERNEL_H_

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "netlink/schema.h"

namespace netplane::conntrack {

/// CTA_TIMESTAMP_EVENT (Linux 6.14): when the event happened, in nanoseconds.
constexpr uint16_t kTimestampEvent = 27;
/// CTA_FILTER_F_CTA_* (net/netfilter/nf_conntrack_netlink.c): which fields of the tuple beside a CTA_FILTER count. Host byte order.
constexpr uint32_t kFilterSource = 1 << 0;
constexpr uint32_t kFilterDestination = 1 << 1;
constexpr uint32_t kFilterProtocol = 1 << 3;
constexpr uint32_t kFilterSourcePort = 1 << 4;
constexpr uint32_t kFilterDestinationPort = 1 << 5;

/// nlmsg_type of a message of ctnetlink, and of its expectations.
constexpr uint16_t FlowMessage(uint8_t message) { return static_cast<uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | message); }
constexpr uint16_t ExpectationMessage(uint8_t message) { return static_cast<uint16_t>((NFNL_SUBSYS_CTNETLINK_EXP << 8) | message); }

/// struct nfgenmsg: family, NFNETLINK_V0, resource id.
constexpr std::array<uint8_t, 4> FamilyHeader(uint8_t family, uint16_t resource = 0) {
  return {family, 0, static_cast<uint8_t>(resource >> 8), static_cast<uint8_t>(resource)};
}

constexpr ByteOrder kBig = ByteOrder::kBig;

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_KERNEL_H_
