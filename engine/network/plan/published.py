"""Owns the plan of published ports: a container's own table, which leads them to its address; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.network.plan.operations import (
    AddChain,
    AddressMatch,
    AddRule,
    AddTable,
    DestinationNat,
    LocalDestination,
    Operation,
    Operations,
    PortMatch,
    ProtocolMatch,
)

if TYPE_CHECKING:
    from engine.records import PortBinding

_DSTNAT = -100


def published_plan(table: str, address: str, ports: tuple[PortBinding, ...]) -> Operations:
    """The table that gives each of ``ports`` the destination ``address``."""
    operations: list[Operation] = [
        AddTable(table),
        AddChain(table, "prerouting", "nat", _DSTNAT),
        AddChain(table, "output", "nat", _DSTNAT),
    ]
    for port in ports:
        everywhere = port.host_ip in {"", "0.0.0.0"}  # noqa: S104 - Docker's default, asked for by -p
        matches = (
            LocalDestination() if everywhere else AddressMatch("daddr", port.host_ip),
            ProtocolMatch(port.protocol),
            PortMatch(port.host_port),
        )
        verdict = DestinationNat(address, port.container_port)
        if not port.host_ip.startswith("127."):
            operations.append(AddRule(table, "prerouting", matches, verdict))
        operations.append(AddRule(table, "output", matches, verdict))
    return tuple(operations)
