"""Makes, renames and destroys sets of ipset by netlink, without the program ipset: `ipset.py create NAME [ip6]`, `ipset.py rename NAME NAME`, `ipset.py destroy NAME`."""

import socket
import struct
import sys

NETLINK_NETFILTER = 12
NFNL_SUBSYS_IPSET = 6
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL = 1, 4, 0x400, 0x200
NLA_F_NESTED = 0x8000
PROTOCOL, SETNAME, TYPENAME, REVISION, FAMILY, DATA = 1, 2, 3, 4, 5, 7
CREATE, DESTROY, RENAME = 2, 3, 5


def attribute(kind, payload):
    header = struct.pack("=HH", 4 + len(payload), kind)
    return header + payload + b"\0" * (-len(payload) % 4)


def text(kind, value):
    return attribute(kind, value.encode() + b"\0")


def ask(command, flags, attributes):
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attribute(PROTOCOL, b"\7") + attributes
    kind = NFNL_SUBSYS_IPSET << 8 | command
    message = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.bind((0, 0))
        kernel.send(message)
        (error,) = struct.unpack_from("=i", kernel.recv(65536), 16)
    if error != 0:
        sys.exit(f"command {command}: errno {-error}")


def create(name, family="ip"):
    number = {"ip": socket.AF_INET, "ip6": socket.AF_INET6}[family]
    of_set = text(SETNAME, name) + text(TYPENAME, "hash:ip") + attribute(REVISION, b"\4") + attribute(FAMILY, bytes([number]))
    ask(CREATE, NLM_F_CREATE | NLM_F_EXCL, of_set + attribute(DATA | NLA_F_NESTED, b""))


def rename(name, other):
    ask(RENAME, 0, text(SETNAME, name) + text(TYPENAME, other))


def destroy(name):
    ask(DESTROY, 0, text(SETNAME, name))


{"create": create, "rename": rename, "destroy": destroy}[sys.argv[1]](*sys.argv[2:])
