"""Owns the kernel's side of a bridge network: is it there, make it, remove it; refuses records and leases.

A bridge is made when the first container needs it (again after a reboot, or when somebody deleted it) and is
left in place when the last one goes, as Docker leaves docker0: making it would cost the next start more than
an idle interface costs the host. Removing the network removes it. Its nftables table is made last and all
at once, so that whoever finds both interface and table finds a complete bridge.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from engine.errors import NetworkFailure, PermissionRequired
from engine.network.addresses import prefix_length_of, routes_from_trie
from engine.network.plan import bridges, endpoints, naming
from engine.network.plan import operations as ops
from engine.network.template import NETLINK_NETFILTER
from engine.records import Endpoint, Network, PortBinding
from engine.shim import netlink_send

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.network.template import Item, Templates

_IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
_LOCK = "/run/tuidock-network.lock"
_FIB_TRIE = "/proc/net/fib_trie"
_ROUTES = "/proc/net/route"
_ETHERNET_MTU = 1500
_GUARDED_LIMIT = 60
"""A rule of nftables has 128 expressions, an interface takes two."""
_NO_NFTABLES = "load the kernel's nf_tables (modprobe nf_tables), or use --network host or none"


def is_present(templates: Templates, bridge: str) -> bool:
    """Whether the bridge's interface and its table are both there."""
    if not has_interface(bridge):
        return False
    table = ops.FindTable(naming.bridge_table(bridge))
    return _send(f"look for table {table.name}", templates.items((table,)), missing=True)


def has_interface(name: str) -> bool:
    """Whether the host has an interface of this name."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def is_plugged(owner_id: str) -> bool:
    """Whether the owner's interface is a port of a bridge: it is from the start of its run to the end."""
    return os.path.exists(f"/sys/class/net/{naming.veth_name(owner_id)}/master")


def make(templates: Templates, network: Network) -> tuple[str, ...]:
    """Make what is missing of the bridge; returns warnings (what could not be set but may work).

    The caller holds ``locked``.
    """
    bridge, mtu = network.bridge, uplink_mtu()
    operation = f"make bridge {bridge} of network {network.name}"
    link = templates.items(bridges.bridge_link_plan(bridge, network.subnet, network.gateway, mtu))
    # A process may have died between any two of these: what is there already is as it should be.
    _send(operation, [msgspec.structs.replace(item, ignore_errno=(errno.EEXIST,)) for item in link])
    warnings = (*_guard(templates, bridge), *_set_sysctls(bridge))
    _send(f"set up nftables for bridge {bridge}", table_items(templates, network))
    _encode_ahead(templates, network, mtu)
    return warnings


def table_items(templates: Templates, network: Network) -> tuple[Item, ...]:
    """What makes the tables of the network's bridge; those that there are go first.

    A table that outlived its interface may be of another subnet.
    """
    bridge = network.bridge
    table = bridges.bridge_table_plan(bridge, network.subnet, internal=network.internal)
    return templates.items((ops.DeleteTable(naming.bridge_table(bridge)), *table))


def clear(templates: Templates, owner_id: str) -> None:
    """Remove what a killed predecessor of ``owner_id`` (the same container, started again) left.

    Looked for first: deleting a table that is not there costs the kernel a grace period, 5 to 30 ms.
    """
    veth, table = naming.veth_name(owner_id), naming.container_table(owner_id)
    left: list[ops.Operation] = []
    if _send(f"look for table {table}", templates.items((ops.FindTable(table),)), missing=True):
        left.append(ops.DeleteTable(table))
    if has_interface(veth):
        left.append(ops.DeleteLink(veth))
    _send(f"remove interface {veth}", templates.items(tuple(left)))


def remove(templates: Templates, bridge: str) -> None:
    """Remove the bridge's table and interface; either may be gone."""
    operations = (ops.DeleteTable(naming.bridge_table(bridge)), ops.DeleteLink(bridge))
    _send(f"remove bridge {bridge}", templates.items(operations))


@contextmanager
def locked() -> Iterator[None]:
    """One process at a time makes or removes bridges and chooses subnets; never held over an await.

    Of this host, not of one root: two roots must not choose one subnet, nor take the other's half-made
    bridge for an interface to be kept apart.
    """
    descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def host_routes() -> tuple[str, ...]:
    """Every destination that the host has a route to, in any table."""
    return routes_from_trie(read_text(_FIB_TRIE))


def uplink_mtu() -> int:
    """The MTU of the interface with the default route (a VPN's or a cloud's may be below Ethernet's)."""
    for line in read_text(_ROUTES).splitlines()[1:]:
        words = line.split()
        if words[1:2] == ["00000000"] and words[7:8] == ["00000000"]:
            text = read_text(f"/sys/class/net/{words[0]}/mtu").strip()
            return int(text) if text.isdigit() else _ETHERNET_MTU
    return _ETHERNET_MTU


def read_text(path: str) -> str:
    """The text of a file of the host; empty if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _encode_ahead(templates: Templates, network: Network, mtu: int) -> None:
    """Have the shapes of usual containers ready: pyroute2 is loaded now, and later it need not be."""
    length, address = prefix_length_of(network.subnet), network.gateway
    ports = tuple(
        PortBinding(container_port=1, host_port=1, host_ip=host_ip, protocol=protocol)
        for host_ip in ("", address)
        for protocol in ("tcp", "udp")
    )
    endpoint = Endpoint(
        network="",
        address=address,
        prefix_length=length,
        gateway=address,
        mac_address=naming.mac_from_address(address),
    )
    made = endpoints.endpoint_plan(network.id, network.bridge, network.subnet, endpoint, ports, mtu)
    names = naming.bridge_table(network.bridge), naming.container_table(network.id)
    templates.items((*made.host, *made.container, *made.teardown, *map(ops.FindTable, names)))


def _guard(templates: Templates, bridge: str) -> tuple[str, ...]:
    """Before this host forwards for the first time: what it had refused to route so far stays refused.

    Docker sets the policy of FORWARD to drop, which also stops what others add later; here only the
    interfaces of now are kept apart. An administrator who wants a router deletes the table, or turns
    ip_forward on at boot, which leaves nothing to guard.
    """
    if read_text(_IP_FORWARD).strip() != "0":
        return ()
    names = [name for _, name in socket.if_nameindex() if name not in {"lo", bridge}]
    others = tuple(name for name in names if not is_present(templates, name))
    if len(others) > _GUARDED_LIMIT:
        return (f"net.ipv4.ip_forward=1 lets this host route between its {len(others)} interfaces",)
    if others:
        table = (ops.DeleteTable(naming.GUARD_TABLE), *bridges.guard_plan(others))
        _send("keep the host's interfaces apart", templates.items(table))
    return ()


def unset_sysctls(bridge: str) -> tuple[tuple[str, str], ...]:
    """The (path, value) that a bridge needs of sysctls that are otherwise."""
    # 127.0.0.1 as a client of published ports; guarded by the table's first rules.
    wanted = [(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet", "1")]
    if os.path.exists(f"/proc/sys/net/ipv6/conf/{bridge}"):
        wanted.append((f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6", "1"))
    wanted.append((_IP_FORWARD, "1"))
    return tuple((path, value) for path, value in wanted if read_text(path).strip() != value)


def _set_sysctls(bridge: str) -> tuple[str, ...]:
    warnings = []
    for path, value in unset_sysctls(bridge):
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            key = path.removeprefix("/proc/sys/").replace("/", ".")
            warnings.append(
                f"could not set {key}={value}: {error.strerror}; set it on the host with sysctl -w"
            )
    return tuple(warnings)


def _send(operation: str, items: Iterable[Item], *, missing: bool = False) -> bool:
    """Send ``items``; with ``missing``, False if the kernel does not know what they look for."""
    for item in items:
        try:
            netlink_send.send([msgspec.to_builtins(item)])
        except PermissionError as error:
            raise PermissionRequired(operation, remedy="run tuidock as root (CAP_NET_ADMIN)") from error
        except OSError as error:
            if missing and error.errno == errno.ENOENT:
                return False
            remedy = _NO_NFTABLES if item.family == NETLINK_NETFILTER else ""
            raise NetworkFailure(operation, error.strerror or str(error), remedy=remedy) from error
    return True
