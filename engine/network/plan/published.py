"""Owns the plan of published ports: a container's own tables, which lead them to its addresses; pure.

And what its supervisor holds of them: it relays what the tables do not take. Those are ::1 (the kernel routes
nothing from it), link-local addresses (whose packets nobody forwards), and a family that the container has no
address of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.network.plan.operations import (
    Accept,
    AddChain,
    AddressMatch,
    AddRule,
    AddTable,
    DestinationAddress,
    DestinationNat,
    LocalDestination,
    Match,
    Operation,
    Operations,
    PortMatch,
    PortRangeMatch,
    ProtocolMatch,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.records import PortBinding

_DSTNAT = -100
_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - Docker's default, asked for by -p
_HERE = AddressMatch("daddr", "::1", 128)
_ON_LINK = AddressMatch("daddr", "fe80::", 10)


class PortRun(msgspec.Struct, frozen=True):
    """``count`` ports in a row of one address that lead to as many in a row."""

    host_ip: str
    protocol: str
    host_port: int
    container_port: int
    count: int = 1


def port_runs(ports: Iterable[PortBinding]) -> tuple[PortRun, ...]:
    """``ports`` as few runs."""
    runs: list[PortRun] = []
    for port in sorted(ports, key=lambda port: (port.host_ip, port.protocol, port.host_port)):
        last = runs[-1] if runs else None
        if (
            last is not None
            and port.host_port == last.host_port + last.count
            and (
                (port.host_ip, port.protocol) == (last.host_ip, last.protocol)
                and port.container_port == last.container_port + last.count
            )
        ):
            runs[-1] = msgspec.structs.replace(last, count=last.count + 1)
        else:
            runs.append(PortRun(port.host_ip, port.protocol, port.host_port, port.container_port))
    return tuple(runs)


def published_plan(
    table: str, address: str, ports: tuple[PortBinding, ...], address6: str = ""
) -> Operations:
    """The tables that give ``ports`` the destinations ``address`` (IPv4) and ``address6``; "" is none."""
    runs = port_runs(ports)
    four = [run for run in runs if ":" not in run.host_ip] if address else []
    six = [run for run in runs if ":" in run.host_ip and not _is_relayed(run)] if address6 else []
    return (
        *(_table(table, "ip", address, four) if four else ()),
        *(_table(table, "ip6", address6, six) if six else ()),
    )


def port_entries(
    ports: tuple[PortBinding, ...], address: str, address6: str = "", *, relay: bool = False
) -> list[dict[str, Any]]:
    """What the bundle says of ``ports`` (see docs/BUNDLE.md); with ``relay`` there are no rules at all."""
    entries = []
    for run in port_runs(ports):
        own, other = (address6, address) if ":" in run.host_ip else (address, address6)
        entries.append(
            {
                **msgspec.to_builtins(run),
                "address": own or other,
                # IPv6 always: its wildcard has ::1, which has no other way.
                "relay": relay or not own or ":" in run.host_ip,
            }
        )
    return entries


def _table(table: str, family: str, address: str, runs: list[PortRun]) -> Iterator[Operation]:
    yield AddTable(table, family)
    yield AddChain(table, "prerouting", "nat", _DSTNAT, family)
    yield AddChain(table, "output", "nat", _DSTNAT, family)
    if family == "ip6":
        for chain in ("prerouting", "output"):
            yield AddRule(table, chain, (_ON_LINK,), Accept(), family)
        yield AddRule(table, "output", (_HERE,), Accept(), family)
    for run in runs:
        for matches, verdict in _led(run, address):
            if not run.host_ip.startswith("127."):
                yield AddRule(table, "prerouting", matches, verdict, family)
            yield AddRule(table, "output", matches, verdict, family)


def _led(run: PortRun, address: str) -> Iterator[tuple[tuple[Match, ...], Verdict]]:
    """The cheapest look first: these rules see the first packet of every connection of the host."""
    protocol, where = ProtocolMatch(run.protocol), _where(run.host_ip)
    if run.count > 1 and run.host_port == run.container_port:
        ports = PortRangeMatch(run.host_port, run.host_port + run.count - 1)
        yield (protocol, ports, where), DestinationAddress(address)
        return
    for place in range(run.count):
        port = PortMatch(run.host_port + place)
        yield (protocol, port, where), DestinationNat(address, run.container_port + place)


def _where(host_ip: str) -> Match:
    if host_ip in _EVERYWHERE:
        return LocalDestination()
    return AddressMatch("daddr", host_ip, 128 if ":" in host_ip else 32)


def _is_relayed(run: PortRun) -> bool:
    return run.host_ip == "::1" or run.host_ip.startswith("fe80:")
