"""Makes, renames and destroys sets of ipset by netlink, without the program ipset: `ipset.py create NAME [ip6]`, `ipset.py rename NAME NAME`, `ipset.py destroy NAME`."""

import socket
import sys

from nfnetlink import NLM_F_CREATE, NLM_F_EXCL, ask, attribute, text

NFNL_SUBSYS_IPSET = 6
NLA_F_NESTED = 0x8000
PROTOCOL, SETNAME, TYPENAME, REVISION, FAMILY, DATA = 1, 2, 3, 4, 5, 7
CREATE, DESTROY, RENAME = 2, 3, 5


def change(command, flags, attributes):
    ask(NFNL_SUBSYS_IPSET, command, flags, socket.AF_INET, attribute(PROTOCOL, b"\7") + attributes)


def create(name, family="ip"):
    number = {"ip": socket.AF_INET, "ip6": socket.AF_INET6}[family]
    of_set = text(SETNAME, name) + text(TYPENAME, "hash:ip") + attribute(REVISION, b"\4") + attribute(FAMILY, bytes([number]))
    change(CREATE, NLM_F_CREATE | NLM_F_EXCL, of_set + attribute(DATA | NLA_F_NESTED, b""))


def rename(name, other):
    change(RENAME, 0, text(SETNAME, name) + text(TYPENAME, other))


def destroy(name):
    change(DESTROY, 0, text(SETNAME, name))


{"create": create, "rename": rename, "destroy": destroy}[sys.argv[1]](*sys.argv[2:])
