"""Owns what every netlink message of ours has: its header, finished and encoded."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST

REQUEST = NLM_F_REQUEST | NLM_F_ACK
INDEX_SENTINEL = 0x7E5A3C19
"""Stands where the sender puts an interface's index."""


def finish(message: Any, kind: int, flags: int) -> bytes:
    """The bytes of a message of pyroute2, of type ``kind``."""
    message["header"]["type"] = kind
    message["header"]["flags"] = flags
    message["header"]["sequence_number"] = 1
    message.encode()
    return bytes(message.data)
