"""Owns running a program on a kernel that seems to have no nf_tables: its netlink family cannot be opened.

With ``--nor-iptables`` it seems to have no ip_tables either: the raw sockets that iptables needs are refused.
"""

from __future__ import annotations

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from engine.shim import linux

_SOCKET = 198 if os.uname().machine == "aarch64" else 41
_AF_NETLINK, _NETLINK_NETFILTER, _EPROTONOSUPPORT = 16, 12, 93
_AF_INET, _AF_INET6, _IPPROTO_RAW = 2, 10, 255
_NUMBER, _FAMILY, _PROTOCOL = 0, 16, 32
_LOAD, _EQUAL, _GIVE = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def forbid(family: int, protocol: int) -> None:
    """Sockets of these, from now on, here and in all children, also after exec."""
    instructions = (
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 5, _SOCKET),
        (_LOAD, 0, 0, _FAMILY),
        (_EQUAL, 0, 3, family),
        (_LOAD, 0, 0, _PROTOCOL),
        (_EQUAL, 0, 1, protocol),
        (_GIVE, 0, 0, _ERRNO | _EPROTONOSUPPORT),
        (_GIVE, 0, 0, _ALLOW),
    )
    linux.seccomp(b"".join(struct.pack("=HBBI", *one) for one in instructions), 0)


if __name__ == "__main__":
    command = sys.argv[1:]
    forbid(_AF_NETLINK, _NETLINK_NETFILTER)
    if command[0] == "--nor-iptables":
        command = command[1:]
        forbid(_AF_INET, _IPPROTO_RAW)
        forbid(_AF_INET6, _IPPROTO_RAW)
    os.execvp(command[0], command)  # noqa: S606 - what the test gives
