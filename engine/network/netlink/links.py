"""Owns interfaces as rtnetlink messages (rtnetlink(7)), by pyroute2."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL, nla
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from engine.network.netlink.messages import INDEX_SENTINEL, REQUEST, finish
from engine.network.plan import operations as ops
from engine.shim.wire import NETNS_FD

_LOOPBACK_INDEX = 1
_UP = 1
_MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_IPVLAN_FLAGS = {"": 0, "bridge": 0, "private": 1, "vepa": 2}
_MADE = ops.AddBridge | ops.AddVeth | ops.AddVlan | ops.AddDummy


class _Ipvlan(nla):  # type: ignore[misc]  # pyroute2 has no types
    """IFLA_INFO_DATA of an ipvlan: pyroute2's own knows no flags."""

    prefix = "IFLA_"
    nla_map = (
        ("IFLA_IPVLAN_UNSPEC", "none"),
        ("IFLA_IPVLAN_MODE", "uint16"),
        ("IFLA_IPVLAN_FLAGS", "uint16"),
    )


ifinfmsg.ifinfo.register_link_kind(module={"ipvlan": _Ipvlan})


def link(operation: _MADE | ops.SetPort | ops.Unplug | ops.DeleteLink | ops.SetUp) -> bytes:
    """The message of one operation on an interface of the sender's namespace."""
    message = ifinfmsg()
    kind, flags = RTM_NEWLINK, REQUEST
    attributes: list[Any] = [["IFLA_IFNAME", operation.name]]
    if isinstance(operation, _MADE | ops.SetUp):
        message["flags"] = message["change"] = _UP
    if isinstance(operation, _MADE):
        flags |= NLM_F_CREATE | NLM_F_EXCL
        attributes += _made(operation)
    match operation:
        case ops.SetPort(_, isolated):
            port = {"attrs": [["IFLA_BRPORT_MODE", 1], ["IFLA_BRPORT_ISOLATED", int(isolated)]]}
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


def subinterface(operation: ops.AddSubinterface) -> bytes:
    """The message that makes an interface in the container's namespace, of a parent in the sender's."""
    message = ifinfmsg()
    if operation.kind == "macvlan":
        own = [["IFLA_MACVLAN_MODE", _MACVLAN_MODES[operation.mode]]]
    else:
        own = [
            ["IFLA_IPVLAN_MODE", _IPVLAN_MODES[operation.mode]],
            ["IFLA_IPVLAN_FLAGS", _IPVLAN_FLAGS[operation.flag]],
        ]
    message["attrs"] = [
        ["IFLA_IFNAME", operation.name],
        ["IFLA_LINK", INDEX_SENTINEL],
        ["IFLA_NET_NS_FD", NETNS_FD],
        *([["IFLA_ADDRESS", operation.mac]] if operation.mac else []),
        *([["IFLA_MTU", operation.mtu]] if operation.mtu else []),
        _info(operation.kind, own),
    ]
    return finish(message, RTM_NEWLINK, REQUEST | NLM_F_CREATE | NLM_F_EXCL)


def _made(operation: _MADE) -> list[Any]:
    match operation:
        case ops.AddBridge():
            return [["IFLA_ADDRESS", operation.mac], ["IFLA_MTU", operation.mtu], _info("bridge")]
        case ops.AddVlan():
            return [["IFLA_LINK", INDEX_SENTINEL], _info("vlan", [["IFLA_VLAN_ID", operation.number]])]
        case ops.AddDummy():
            return [_info("dummy")]
    # The peer cannot be made up: it would be opened before the kernel has tied the two together.
    peer = {
        "attrs": [
            ["IFLA_IFNAME", operation.peer],
            ["IFLA_ADDRESS", operation.mac],
            ["IFLA_MTU", operation.mtu],
            ["IFLA_NET_NS_FD", NETNS_FD],
        ],
    }
    return [
        ["IFLA_MTU", operation.mtu],
        *([["IFLA_MASTER", INDEX_SENTINEL]] if operation.bridge else []),
        _info("veth", [["VETH_INFO_PEER", peer]]),
    ]


def _info(kind: str, own: list[Any] | None = None) -> list[Any]:
    attributes: list[Any] = [["IFLA_INFO_KIND", kind]]
    if own:
        attributes.append(["IFLA_INFO_DATA", {"attrs": own}])
    return ["IFLA_LINKINFO", {"attrs": attributes}]
