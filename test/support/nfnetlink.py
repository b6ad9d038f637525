"""Requests of nfnetlink, for programs that are not there everywhere."""

import socket
import struct
import sys

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL = 1, 4, 0x400, 0x200


def attribute(kind, payload):
    header = struct.pack("=HH", 4 + len(payload), kind)
    return header + payload + b"\0" * (-len(payload) % 4)


def text(kind, value):
    return attribute(kind, value.encode() + b"\0")


def ask(subsystem, command, flags, family, attributes):
    """Ends the program where the kernel refuses it."""
    body = struct.pack("=BBH", family, 0, 0) + attributes
    kind = subsystem << 8 | command
    message = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.bind((0, 0))
        kernel.send(message)
        (error,) = struct.unpack_from("=i", kernel.recv(65536), 16)
    if error != 0:
        sys.exit(f"command {command} of subsystem {subsystem}: errno {-error}")
