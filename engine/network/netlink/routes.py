"""Owns interfaces, addresses and routes as rtnetlink messages (rtnetlink(7)), by pyroute2."""

from __future__ import annotations

import socket
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from engine.network.netlink.messages import REQUEST, finish
from engine.network.plan import operations as ops
from engine.shim.wire import NETNS_FD

INDEX_SENTINEL = 0x7E5A3C19
"""Stands where the sender puts an interface's index."""

_LOOPBACK_INDEX = 1
_UP = 1
_MAIN_TABLE, _PROTO_BOOT, _UNICAST = 254, 3, 1
_IFA_F_NODAD = 2


def link(
    operation: ops.AddBridge | ops.AddVeth | ops.SetHairpin | ops.Unplug | ops.DeleteLink | ops.SetUp,
) -> bytes:
    """The message of one operation on an interface."""
    message = ifinfmsg()
    kind, flags = RTM_NEWLINK, REQUEST
    attributes: list[Any] = [["IFLA_IFNAME", operation.name]]
    if isinstance(operation, ops.AddBridge | ops.AddVeth | ops.SetUp):
        message["flags"] = message["change"] = _UP
    match operation:
        case ops.AddBridge():
            flags |= NLM_F_CREATE | NLM_F_EXCL
            attributes += [
                ["IFLA_ADDRESS", operation.mac],
                ["IFLA_MTU", operation.mtu],
                ["IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", "bridge"]]}],
            ]
        case ops.AddVeth():
            flags |= NLM_F_CREATE | NLM_F_EXCL
            attributes += _veth_attributes(operation)
        case ops.SetHairpin():
            port = {"attrs": [["IFLA_BRPORT_MODE", 1]]}
            slave = [["IFLA_INFO_SLAVE_KIND", "bridge"], ["IFLA_INFO_SLAVE_DATA", port]]
            attributes.append(["IFLA_LINKINFO", {"attrs": slave}])
        case ops.Unplug():
            message["change"] = _UP
            attributes.append(["IFLA_MASTER", 0])
        case ops.DeleteLink():
            kind = RTM_DELLINK
        case ops.SetUp():
            # The kernel finds a link by name as well, but loopback has its number in every namespace.
            if operation.name == "lo":
                message["index"], attributes = _LOOPBACK_INDEX, []
    message["attrs"] = attributes
    return finish(message, kind, flags)


def _veth_attributes(operation: ops.AddVeth) -> list[Any]:
    # The peer cannot be made up: it would be opened before the kernel has tied the two together.
    peer = {
        "attrs": [
            ["IFLA_IFNAME", operation.peer],
            ["IFLA_ADDRESS", operation.mac],
            ["IFLA_MTU", operation.mtu],
            ["IFLA_NET_NS_FD", NETNS_FD],
        ],
    }
    data = {"attrs": [["VETH_INFO_PEER", peer]]}
    return [
        ["IFLA_MTU", operation.mtu],
        ["IFLA_MASTER", INDEX_SENTINEL],
        ["IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", "veth"], ["IFLA_INFO_DATA", data]]}],
    ]


def addressing(operation: ops.AddAddress | ops.AddDefaultRoute) -> bytes:
    """The message that adds an address or a route."""
    if isinstance(operation, ops.AddDefaultRoute):
        message = rtmsg()
        message["family"] = _family(operation.gateway)
        message["table"], message["proto"], message["type"] = _MAIN_TABLE, _PROTO_BOOT, _UNICAST
        # No interface is named: the kernel takes the one through which the gateway is reached.
        message["attrs"] = [["RTA_GATEWAY", operation.gateway]]
        return finish(message, RTM_NEWROUTE, REQUEST | NLM_F_CREATE | NLM_F_EXCL)
    message = ifaddrmsg()
    message["family"], message["prefixlen"] = _family(operation.address), operation.prefix_length
    message["index"] = INDEX_SENTINEL
    message["attrs"] = [["IFA_LOCAL", operation.address], ["IFA_ADDRESS", operation.address]]
    if operation.broadcast:
        message["attrs"].append(["IFA_BROADCAST", operation.broadcast])
    else:
        message["flags"] = _IFA_F_NODAD
    return finish(message, RTM_NEWADDR, REQUEST | NLM_F_CREATE | NLM_F_EXCL)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
