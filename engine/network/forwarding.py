"""Owns making this host forward for containers, not for others, and without losing its own routes.

Where it begins to forward, what it had refused to route so far stays refused: the guard tables, one a
family. Docker sets the policy of FORWARD to drop, which also stops what others add later; here only the
interfaces of now are kept apart. An administrator who wants a router deletes the table, or turns forwarding
on at boot, which leaves nothing to guard.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from engine.network.driver_options import bridge_options
from engine.network.firewall import watched_tables
from engine.network.host import read_text
from engine.network.plan import bridges, naming
from engine.network.plan import operations as ops
from engine.network.sending import send
from engine.shim import arrivals, nftables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.network.template import Templates
    from engine.records import Network

SWITCHES = {"ip": "/proc/sys/net/ipv4/ip_forward", "ip6": "/proc/sys/net/ipv6/conf/all/forwarding"}
_IPV6_INTERFACES = "/proc/sys/net/ipv6/conf"
_GUARDED_LIMIT = 60
"""A rule of nftables has 128 expressions, an interface takes two."""


def guard(templates: Templates, network: Network) -> tuple[str, ...]:
    """Before the host forwards for the first time: see the module; returns warnings."""
    warnings: list[str] = []
    filtered = filtered_families()
    for family in (one for one in forwarded_families(network) if one in filtered):
        if read_text(SWITCHES[family]).strip() == "0":
            warnings += _guard(templates, network.bridge, family)
    return tuple(warnings)


def filtered_families() -> tuple[str, ...]:
    """Of which families (ip, ip6) packets can be filtered and translated here, by nftables or iptables."""
    if nftables.is_supported():
        return ("ip", "ip6")
    from engine.shim import iptables  # few hosts are so

    return iptables.families()


def forwarded_families(network: Network) -> tuple[str, ...]:
    """What the host has to forward for the network's containers; an internal one's IPv6 not."""
    return tuple(
        family for family in bridges.table_families(network) if family == "ip" or not network.internal
    )


def unset_sysctls(network: Network) -> tuple[tuple[str, str], ...]:
    """The (path, value) that a bridge needs of sysctls that are otherwise, in the order to set them."""
    bridge = network.bridge
    wanted: list[tuple[str, str]] = []
    filtered = filtered_families()  # without, this host is not made to forward what nothing would hold
    if network.subnet and "ip" in filtered:
        # 127.0.0.1 as a client of published ports; guarded by the table's first rules.
        wanted.append((f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet", "1"))
    if os.path.exists(f"{_IPV6_INTERFACES}/{bridge}"):
        wanted.append((f"{_IPV6_INTERFACES}/{bridge}/disable_ipv6", "0" if network.subnet6 else "1"))
        if network.subnet6:  # a container is no router of ours
            wanted.append((f"{_IPV6_INTERFACES}/{bridge}/accept_ra", "0"))
    if network.internal or not bridge_options(network.options, internal=network.internal).icc:
        wanted.append((arrivals.tag_path(bridge), arrivals.SHUT_OFF))
    for family in (one for one in forwarded_families(network) if one in filtered):
        if family == "ip6" and read_text(SWITCHES[family]).strip() == "0":
            wanted += _kept_advertisements()
        wanted.append((SWITCHES[family], "1"))
    return tuple((path, value) for path, value in wanted if read_text(path).strip() != value)


def set_sysctls(unset: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Write (path, value); returns a warning for each that could not be."""
    warnings = []
    for path, value in unset:
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            key = path.removeprefix("/proc/sys/").replace("/", ".")
            warnings.append(
                f"could not set {key}={value}: {error.strerror}; set it on the host with sysctl -w"
            )
    return tuple(warnings)


def _guard(templates: Templates, bridge: str, family: str) -> list[str]:
    names = [name for _, name in socket.if_nameindex() if name not in {"lo", bridge} and not _is_port(name)]
    others = tuple(name for name in names if not _is_ours(templates, name))
    if len(others) > _GUARDED_LIMIT:
        key = SWITCHES[family].removeprefix("/proc/sys/").replace("/", ".")
        return [f"{key}=1 lets this host route between its {len(others)} interfaces"]
    if others:
        table = bridges.guard_plan(others, family)
        deletion = ops.DeleteTable(naming.GUARD_TABLE, family)
        send("keep the host's interfaces apart", templates.items((deletion, *table)))
        _remember(family, watched_tables(templates, table)[0])
    return []


def _remember(family: str, table: dict[str, Any]) -> None:
    """Where a supervisor looks when somebody has flushed the whole ruleset, the guard too."""
    from engine.shim import state  # once a boot: a container's start has no use for either
    from engine.shim.firewall import guard_path

    path = guard_path()
    try:
        with open(path, "rb") as file:
            known = msgspec.json.decode(file.read(), type=dict[str, Any])
    except (FileNotFoundError, msgspec.DecodeError):
        known = {}
    state.write_json(path, {**known, family: table}, durable=False)


def _is_port(name: str) -> bool:
    """What a bridge forwards for it, comes from the bridge's interface."""
    return os.path.exists(f"/sys/class/net/{name}/brport")


def _is_ours(templates: Templates, name: str) -> bool:
    """A bridge of ours has a MAC of ours; one that was there first has a table while it has containers."""
    if os.path.isdir(f"/sys/class/net/{name}/bridge") and read_text(
        f"/sys/class/net/{name}/address"
    ).startswith(naming.MAC_PREFIX):
        return True
    table = naming.bridge_table(name)
    return any(
        send(f"look for table {table}", templates.items((ops.FindTable(table, family),)), missing=True)
        for family in SWITCHES
    )


def _kept_advertisements() -> list[tuple[str, str]]:
    """A router is told nothing by others, unless accept_ra is 2: the host keeps its own routes."""
    try:
        names = os.listdir(_IPV6_INTERFACES)
    except FileNotFoundError:
        return []
    paths = [f"{_IPV6_INTERFACES}/{name}/accept_ra" for name in sorted(names) if name != "all"]
    return [(path, "2") for path in paths if read_text(path).strip() == "1"]
