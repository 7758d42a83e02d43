"""Owns addresses and routes as rtnetlink messages (rtnetlink(7)), by pyroute2."""

from __future__ import annotations

import socket
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
from pyroute2.netlink.rtnl import RTM_DELROUTE, RTM_NEWADDR, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from engine.network.netlink.messages import INDEX_SENTINEL, REQUEST, finish
from engine.network.plan import operations as ops

_MAIN_TABLE, _PROTO_BOOT, _UNICAST = 254, 3, 1
_SCOPE_LINK, _SCOPE_NOWHERE = 253, 255
_IFA_F_NODAD = 2


def address(operation: ops.AddAddress) -> bytes:
    """The message that adds an address."""
    message = ifaddrmsg()
    message["family"], message["prefixlen"] = _family(operation.address), operation.prefix_length
    message["index"] = INDEX_SENTINEL
    message["attrs"] = [["IFA_LOCAL", operation.address], ["IFA_ADDRESS", operation.address]]
    if operation.broadcast:
        message["attrs"].append(["IFA_BROADCAST", operation.broadcast])
    elif ":" in operation.address:
        message["flags"] = _IFA_F_NODAD
    return finish(message, RTM_NEWADDR, REQUEST | NLM_F_CREATE | NLM_F_EXCL)


def route(operation: ops.AddDefaultRoute | ops.AddRoute | ops.DeleteRoute) -> bytes:
    """The message that adds or deletes a route."""
    message = rtmsg()
    message["table"], message["proto"], message["type"] = _MAIN_TABLE, _PROTO_BOOT, _UNICAST
    match operation:
        case ops.AddDefaultRoute(gateway):
            message["family"] = _family(gateway)
            # No interface is named: the kernel takes the one through which the gateway is reached.
            message["attrs"] = [["RTA_GATEWAY", gateway]]
            return finish(message, RTM_NEWROUTE, REQUEST | NLM_F_CREATE | NLM_F_EXCL)
        case ops.AddRoute():
            attributes: list[list[Any]] = []
            if operation.gateway:
                attributes.append(["RTA_GATEWAY", operation.gateway])
            if operation.interface:
                attributes.append(["RTA_OIF", INDEX_SENTINEL])
            if not operation.gateway and ":" not in operation.destination:
                message["scope"] = _SCOPE_LINK
            kind, flags = RTM_NEWROUTE, REQUEST | NLM_F_CREATE
            flags |= NLM_F_REPLACE if operation.replace else NLM_F_EXCL
        case ops.DeleteRoute():
            attributes, kind, flags = [], RTM_DELROUTE, REQUEST
            message["proto"], message["scope"] = 0, _SCOPE_NOWHERE
    message["family"], message["dst_len"] = _family(operation.destination), operation.prefix_length
    message["attrs"] = [["RTA_DST", operation.destination], *attributes]
    return finish(message, kind, flags)


def _family(text: str) -> int:
    return socket.AF_INET6 if ":" in text else socket.AF_INET
