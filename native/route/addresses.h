// Addresses of links: columns <-> RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR.
#ifndef NETPLANE_ROUTE_ADDRESSES_H_
#define NETPLANE_ROUTE_ADDRESSES_H_

#include <cstdint>
#include <vector>

#include "netlink/batch.h"
#include "netlink/columns.h"
#include "netlink/dump.h"
#include "netlink/result.h"
#include "netlink/socket.h"

namespace netplane::route {

/// One row is one address of one link. What a list returns can be given to a change again. A list fills every column.
enum AddressColumn : size_t {
  kLinkIndex,          ///< kU32: ifa_index. A change without this column is for the link that the request names.
  kFamily,             ///< kU8: AF_INET 2 or AF_INET6 10.
  kAddress,            ///< kFixed, 16 bytes, network order; an IPv4 address is the first 4 of them. IFA_LOCAL, else IFA_ADDRESS.
  kPrefixLength,       ///< kU8: 0 … 32 or 128.
  kScope,              ///< kU8: RT_SCOPE_*; absent: 0, universe. The kernel decides it itself for IPv6.
  kFlags,              ///< kU32: IFA_F_*.
  kProtocol,           ///< kU8: IFA_PROTO (Linux 5.18; older kernels ignore it and report 0).
  kPeer,               ///< kBlob: IFA_ADDRESS where it differs from the address (point to point); empty: none.
  kBroadcast,          ///< kBlob: IFA_BROADCAST; empty: none. IPv4 only.
  kLabel,              ///< kSymbol: IFA_LABEL. IPv4 only; absent: the link's name.
  kValidLifetime,      ///< kU32: seconds, ifa_valid; UINT32_MAX: for ever.
  kPreferredLifetime,  ///< kU32: seconds, ifa_prefered; present together with kValidLifetime.
  kAddressColumnCount,
};
extern const std::span<const ColumnSpec> kAddressColumns;
constexpr size_t kAddressWidth = 16;

/// add: RTM_NEWADDR with CREATE and EXCL, so that an address that is there already is EEXIST. delete: RTM_DELADDR; EADDRNOTAVAIL where it
/// is not.
/// `kReplace` adds an address or, where it is on the link, gives it these lifetimes, flags (IPv6) and protocol (`ip address replace`).
enum class AddressVerb : uint8_t { kAdd, kReplace, kDelete };

struct AddressChange {
  AddressVerb verb = AddressVerb::kAdd;
  /// ifindex for rows without one.
  uint32_t link_index = 0;
};

/// What makes a row impossible to write (family, prefix length, lengths of peer and broadcast), with its number; nothing when all are fine.
std::optional<std::string> CheckAddresses(const ColumnSet& addresses);

/// Writes one row as one message.
void EncodeAddress(const AddressChange& change, const ColumnSet& addresses, size_t row, uint16_t extra_flags, uint32_t sequence,
                   MessageWriter& writer);

/// Carries out one change a row, in order, going on after refusals. `errors[].index` is the row, `errors[].field` a column's name or empty.
/// EINVAL as `stopped` where CheckAddresses finds fault: then nothing was sent.
BatchReport ChangeAddresses(Socket& socket, const AddressChange& change, const ColumnSet& addresses, const BatchOptions& options);

/// Appends the address in an RTM_NEWADDR or RTM_DELADDR message. False where it is malformed. Families other than AF_INET and AF_INET6
/// (AF_PHONET, AF_MCTP) append nothing.
bool DecodeAddress(const Message& message, ColumnSet& addresses);

struct AddressListRequest {
  /// AF_UNSPEC, AF_INET or AF_INET6.
  uint8_t family = 0;
  /// 0: of all links. The kernel filters on sockets with NETLINK_GET_STRICT_CHK (Linux 4.20), and says ENODEV for a missing link.
  uint32_t link_index = 0;
  Deadline deadline;
};

/// Dumps addresses, in pieces of at most 4 MiB.
Result<std::vector<ColumnSet>> ListAddresses(Socket& socket, const AddressListRequest& request);

}  // namespace netplane::route

#endif  // NETPLANE_ROUTE_ADDRESSES_H_
