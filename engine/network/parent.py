"""Owns the kernel's side of a macvlan or ipvlan network: its parent interface; refuses the containers' ends.

A parent that is there is used as it is. ``eth0.50`` that is not there is made of eth0 (802.1Q), and a dummy
stands in for a parent that nobody names: these go with the network, and are made again after a reboot.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput, NetworkFailure
from engine.network.host import has_interface
from engine.network.plan import operations as ops
from engine.network.sending import send

if TYPE_CHECKING:
    from engine.network.template import Templates
    from engine.records import Network

_LAST_VLAN = 4094


def check(driver: str, parent: str) -> bool:
    """Whether ``parent`` has to be made; InvalidInput, in Docker's words, if it cannot be a parent at all."""
    if parent == "lo":
        raise InvalidInput("", f"loopback interface is not a valid {driver} parent link")
    if has_interface(parent):
        return False
    master, dot, number = parent.rpartition(".")
    if not dot or not number.isascii() or not number.isdigit():
        reason = f"invalid subinterface vlan name {parent}, example formatting is eth0.10"
        raise InvalidInput("", reason, remedy="ip link lists the interfaces there are")
    if not 1 <= int(number) <= _LAST_VLAN:
        raise InvalidInput("", f"vlan id must be between 1-{_LAST_VLAN}, received: {int(number)}")
    if not has_interface(master):
        reason = f"failed to find master interface {master} on the host"
        raise InvalidInput("", reason, remedy="ip link lists the interfaces there are")
    return True


def make(templates: Templates, network: Network) -> None:
    """The parent is there afterwards; NetworkFailure if somebody else's has gone."""
    parent = network.parent
    if has_interface(parent):
        return
    if not network.parent_made:
        raise NetworkFailure(
            f"use network {network.name}",
            f"its parent interface {parent} is gone",
            remedy=f"bring {parent} back, or make the network anew",
        )
    master, _, number = parent.rpartition(".")
    link = ops.AddVlan(parent, master, int(number)) if master else ops.AddDummy(parent)
    made = [msgspec.structs.replace(item, ignore_errno=(errno.EEXIST,)) for item in templates.items((link,))]
    kind = "vlan link" if master else "dummy interface"
    send(f"failed to create {parent} {kind} of network {network.name}", made)


def remove(templates: Templates, network: Network) -> None:
    """Remove the parent if it is ours."""
    if network.parent_made:
        send(f"remove interface {network.parent}", templates.items((ops.DeleteLink(network.parent),)))
