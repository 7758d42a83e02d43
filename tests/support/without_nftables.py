"""Owns running a program on a kernel that seems to have no nf_tables: its netlink family cannot be opened."""

from __future__ import annotations

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from engine.shim import linux

_SOCKET = 198 if os.uname().machine == "aarch64" else 41
_AF_NETLINK, _NETLINK_NETFILTER, _EPROTONOSUPPORT = 16, 12, 93
_NUMBER, _FAMILY, _PROTOCOL = 0, 16, 32
_LOAD, _EQUAL, _GIVE = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def forbid() -> None:
    """From now on, here and in all children, also after exec."""
    instructions = (
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 5, _SOCKET),
        (_LOAD, 0, 0, _FAMILY),
        (_EQUAL, 0, 3, _AF_NETLINK),
        (_LOAD, 0, 0, _PROTOCOL),
        (_EQUAL, 0, 1, _NETLINK_NETFILTER),
        (_GIVE, 0, 0, _ERRNO | _EPROTONOSUPPORT),
        (_GIVE, 0, 0, _ALLOW),
    )
    linux.seccomp(b"".join(struct.pack("=HBBI", *one) for one in instructions), 0)


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - what the test gives
