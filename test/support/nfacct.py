"""Makes an object of nfnetlink_acct by netlink, without the program nfacct: `nfacct.py NAME`."""

import socket
import struct
import sys

NETLINK_NETFILTER = 12
NFNL_SUBSYS_ACCT, NFNL_MSG_ACCT_NEW = 7, 0
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 1, 4, 0x400
NFACCT_NAME = 1

name = sys.argv[1].encode() + b"\0"
attribute = struct.pack("=HH", 4 + len(name), NFACCT_NAME) + name + b"\0" * (-len(name) % 4)
body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0) + attribute
kind = NFNL_SUBSYS_ACCT << 8 | NFNL_MSG_ACCT_NEW
message = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0) + body
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
    kernel.bind((0, 0))
    kernel.send(message)
    (error,) = struct.unpack_from("=i", kernel.recv(65536), 16)
if error != 0:
    sys.exit(f"errno {-error}")
