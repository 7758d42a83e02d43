"""Owns the encoding of operations as netlink messages, by pyroute2; refuses to send any.

Importing pyroute2 costs more than a container's whole start, therefore ``engine.network.template``
imports this package only for a message that it has not seen before. One operation is one message:
rtnetlink's ask for an acknowledgement each, nftables' travel in one batch and only failures and the first
message answer (an ack of every rule of a port range would overflow the socket).
"""

from __future__ import annotations

from engine.network.netlink.links import link, subinterface
from engine.network.netlink.messages import INDEX_SENTINEL
from engine.network.netlink.nftables import batch_bounds, chain_or_rule, table
from engine.network.netlink.routes import address, route
from engine.network.plan import operations as ops

__all__ = ["INDEX_SENTINEL", "batch_bounds", "encode"]


def encode(operation: ops.Operation) -> bytes:
    """The complete netlink message of one operation (a sysctl is none)."""
    match operation:
        case ops.AddTable() | ops.ReplaceTable() | ops.DeleteTable() | ops.FindTable():
            return table(operation)
        case ops.AddChain() | ops.AddRule():
            return chain_or_rule(operation)
        case ops.AddAddress():
            return address(operation)
        case ops.AddDefaultRoute() | ops.AddRoute() | ops.DeleteRoute():
            return route(operation)
        case ops.AddSubinterface():
            return subinterface(operation)
        case ops.SetSysctl():
            raise TypeError(operation)
        case _:
            return link(operation)
