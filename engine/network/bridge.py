"""Owns the kernel's side of a bridge network: is it there, make it, remove it; refuses records and leases.

A bridge is made when the first container needs it (again after a reboot, or when somebody deleted it) and is
left in place when the last one goes, as Docker leaves docker0: making it would cost the next start more than
an idle interface costs the host. Removing the network removes it. Its sysctls are set last, so that whoever
finds them set finds a complete bridge. Its nftables tables come and go with its containers, whose supervisors
see to that (``engine.shim.firewall``).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec

from engine.network import forwarding
from engine.network.addresses import prefix_length_of
from engine.network.driver_options import bridge_options
from engine.network.firewall import firewall
from engine.network.host import has_interface, uplink_mtu
from engine.network.plan import bridges, endpoints, naming
from engine.network.plan import operations as ops
from engine.network.sending import locked, send
from engine.records import Endpoint, Network, PortBinding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.network.template import Item, Templates

__all__ = [
    "clear",
    "is_plugged",
    "is_present",
    "locked",
    "make",
    "make_tables",
    "remove",
    "table_items",
]


def is_present(network: Network) -> bool:
    """Whether the bridge's interface is there, and all that its containers need but the tables."""
    return has_interface(network.bridge) and not forwarding.unset_sysctls(network)


def is_plugged(owner_id: str) -> bool:
    """Whether the owner's interface is a port of a bridge: it is from the start of its run to the end."""
    return os.path.exists(f"/sys/class/net/{naming.veth_name(owner_id)}/master")


def make(templates: Templates, network: Network) -> tuple[str, ...]:
    """Make what is missing of the bridge; returns warnings (what could not be set but may work).

    The caller holds ``locked``.
    """
    bridge, mtu = network.bridge, uplink_mtu()
    link = templates.items((*bridges.bridge_link_plan(network, mtu), ops.SetUp(bridge)))
    # A process may have died between any two of these: what is there already is as it should be.
    kept = [msgspec.structs.replace(item, ignore_errno=(*item.ignore_errno, errno.EEXIST)) for item in link]
    send(f"make bridge {bridge} of network {network.name}", kept)
    guarded = forwarding.guard(templates, network)
    warnings = (*guarded, *forwarding.set_sysctls(forwarding.unset_sysctls(network)))
    _encode_ahead(templates, network, mtu)
    return warnings


def table_items(templates: Templates, network: Network) -> tuple[Item, ...]:
    """What makes the tables of the network's bridge; those that there are go first.

    A table that outlived its interface may be of another subnet.
    """
    deletions = _deletions(network.bridge, bridges.table_families(network))
    return templates.items((*deletions, *bridges.bridge_tables_plan(network)))


def make_tables(templates: Templates, network: Network) -> None:
    """Make the bridge's tables once more, in one go with what goes for them."""
    send(f"set up nftables for bridge {network.bridge}", table_items(templates, network))


def clear(templates: Templates, owner_id: str, further: Iterable[Network] = ()) -> None:
    """Remove what a killed predecessor of ``owner_id`` (the same container, started again) left.

    ``further`` are its networks but the first. Looked for before: deleting a table that is not there costs
    the kernel a grace period, 5 to 30 ms.
    """
    table = naming.container_table(owner_id)
    left: list[ops.Operation] = [
        ops.DeleteTable(table, family)
        for family in ("ip", "ip6")
        if send(f"look for table {table}", templates.items((ops.FindTable(table, family),)), missing=True)
    ]
    veths = [naming.veth_name(owner_id), *(naming.veth_name(owner_id, network.id) for network in further)]
    left += [ops.DeleteLink(veth) for veth in veths if has_interface(veth)]
    send(f"remove what container {owner_id[:12]} left", templates.items(tuple(left)))


def remove(templates: Templates, network: Network) -> None:
    """Remove the bridge's tables, and the interface unless it was there first; any may be gone."""
    bridge = network.bridge
    link = () if network.adopted else (ops.DeleteLink(bridge),)
    filtered = forwarding.filtered_families()
    tables = _deletions(bridge, tuple(one for one in bridges.table_families(network) if one in filtered))
    operations = (*tables, *link)
    send(f"remove bridge {bridge}", templates.items(operations))


def _deletions(bridge: str, families: tuple[str, ...]) -> ops.Operations:
    return tuple(ops.DeleteTable(naming.bridge_table(bridge), family) for family in families)


def _encode_ahead(templates: Templates, network: Network, mtu: int) -> None:
    """Have the shapes of usual containers ready: pyroute2 is loaded now, and later it need not be."""
    ports = tuple(
        PortBinding(container_port=to, host_port=port, host_ip=host_ip, protocol=protocol)
        for host_ip in ("", "::", network.gateway, network.gateway6)
        for protocol in ("tcp", "udp")
        for port, to in ((1, 2), (3, 3), (4, 4))  # one that changes, and a row that does not
    )
    way_out = not network.internal
    endpoint = Endpoint(
        network="",
        address=network.gateway,
        prefix_length=prefix_length_of(network.subnet) if network.subnet else 0,
        gateway=network.gateway if way_out else "",
        address6=network.gateway6,
        prefix_length6=prefix_length_of(network.subnet6) if network.subnet6 else 0,
        gateway6=network.gateway6 if way_out else "",
        mac_address=naming.mac_from_address(network.gateway or network.gateway6),
    )
    mtu = bridge_options(network.options, internal=network.internal).mtu or mtu
    place = endpoints.Place(network=network, endpoint=endpoint, mtu=mtu)
    made = endpoints.endpoint_plan(network.id, (place,), ports)
    second = msgspec.structs.replace(place, endpoint=msgspec.structs.replace(endpoint, interface="eth1"))
    more = endpoints.endpoint_plan(network.id, (second,))
    rest = (
        ops.ReplaceTable(naming.container_table(network.id)),
        ops.DeleteLink(naming.veth_name(network.id)),
    )
    finds = [
        ops.FindTable(table, family)
        for table in (naming.bridge_table(network.bridge), naming.container_table(network.id))
        for family in ("ip", "ip6")
    ]
    templates.items((*made.host, *made.container, *made.teardown, *more.host, *more.container, *rest, *finds))
    firewall(templates, (network,), made.host)
