"""Owns the way to a container's resolver inside its own namespace, as netlink items; refuses to send them.

The resolver listens at 127.0.0.11 on ports that the kernel chooses, so that the container can have a server
of its own on port 53 of all addresses. Two chains change the port's number: of a question as the last thing
before a socket takes it, of an answer as the first thing when it is sent. So whatever rules the container has
of its own, with connection tracking or without, they see port 53.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import NetworkFailure
from engine.network.plan.operations import (
    AddChain,
    AddressMatch,
    AddRule,
    AddTable,
    Operations,
    PortMatch,
    ProtocolMatch,
    RewritePort,
)

if TYPE_CHECKING:
    from engine.network.template import Templates

ADDRESS = "127.0.0.11"
_PORT = 53
_STAND_INS = {"udp": 0xF2D5, "tcp": 0xE3B7}
"""In the place of ports that only the supervisor knows, each in two rules."""
_FIRST, _LAST = -500, 1000
"""Beyond the priorities that anything has: connection tracking has -200, filters have about 0."""


def rewrite_plan() -> Operations:
    """Questions to 127.0.0.11:53 go to the stand-ins' ports, and their answers come from 53."""
    return (
        *_table("tuidock-names", ("input", _LAST), "daddr", "dport"),
        *_table("tuidock-named", ("output", _FIRST), "saddr", "sport"),
    )


def rewrite_items(templates: Templates) -> tuple[dict[str, Any], ...]:
    """``rewrite`` of the bundle's ``network.names``."""
    return tuple(_with_ports(msgspec.to_builtins(item)) for item in templates.netlink_items(rewrite_plan()))


def _table(table: str, hook: tuple[str, int], side: str, port_side: str) -> Operations:
    chain, priority = hook
    rules = []
    for protocol, stand_in in _STAND_INS.items():
        before, after = (_PORT, stand_in) if port_side == "dport" else (stand_in, _PORT)
        matches = (AddressMatch(side, ADDRESS), ProtocolMatch(protocol), PortMatch(before, port_side))
        rules.append(AddRule(table, chain, matches, RewritePort(port_side, protocol, after)))
    return (AddTable(table), AddChain(table, chain, "filter", priority), *rules)


def _with_ports(item: dict[str, Any]) -> dict[str, Any]:
    message, ports = base64.b64decode(item["message"]), []
    for protocol, stand_in in _STAND_INS.items():
        sought = stand_in.to_bytes(2, "big")
        offsets = [at for at in range(len(message) - 1) if message[at : at + 2] == sought]
        if len(offsets) != 2:  # noqa: PLR2004 - one rule there, one back
            reason = f"the port for {protocol} stands in it {len(offsets)} times, not 2"
            raise NetworkFailure("encode the way to the resolver", reason)
        ports += [[at, protocol] for at in offsets]
    return {**item, "ports": ports}
