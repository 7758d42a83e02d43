"""Owns the encoding of operations as netlink messages, by pyroute2; refuses to send any.

Importing pyroute2 costs more than a container's whole start, therefore ``engine.network.template``
imports this module only for a message that it has not seen before. One operation is one message:
rtnetlink's ask for an acknowledgement each, nftables' travel in one batch and only failures and the first
message answer (an ack of every rule of a port range would overflow the socket).
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink import nftsocket as nft
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from engine.network import plan
from engine.shim.wire import NETNS_FD

INDEX_SENTINEL = 0x7E5A3C19
"""Stands where the sender puts an interface's index."""

_LOOPBACK_INDEX = 1
_UP = 1
_MAIN_TABLE, _PROTO_BOOT, _UNICAST = 254, 3, 1
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_HOOKS = {"prerouting": 0, "forward": 2, "output": 3, "postrouting": 4}
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_SADDR_OFFSET, _DADDR_OFFSET = 12, 16
_FIB_DADDR, _FIB_RESULT_ADDRTYPE, _RTN_LOCAL = 2, 3, 2
_CT_ESTABLISHED_RELATED = 2 | 4
_CT_DST_NAT = 32
_NF_DROP, _NF_ACCEPT = 0, 1
_NFT_REG_1, _NFT_REG_2 = 1, 2
_IFNAMSIZ = 16
_REQUEST = NLM_F_REQUEST | NLM_F_ACK


def encode(operation: plan.Operation) -> bytes:
    """The complete netlink message of one operation."""
    match operation:
        case plan.AddTable() | plan.DeleteTable() | plan.FindTable():
            return _table(operation)
        case plan.AddChain() | plan.AddRule():
            return _nftables(operation)
        case plan.AddAddress() | plan.AddDefaultRoute():
            return _addressing(operation)
        case _:
            return _link(operation)


def encode_batch_bounds() -> tuple[bytes, bytes]:
    """The messages that begin and end one nftables transaction."""
    bounds = []
    for kind in (_BATCH_BEGIN, _BATCH_END):
        message = nfgen_msg()
        message["res_id"] = NFNL_SUBSYS_NFTABLES
        bounds.append(_finish(message, kind, NLM_F_REQUEST))
    return bounds[0], bounds[1]


# -- rtnetlink -------------------------------------------------------------------------------------
def _link(
    operation: plan.AddBridge | plan.AddVeth | plan.SetHairpin | plan.Unplug | plan.DeleteLink | plan.SetUp,
) -> bytes:
    message = ifinfmsg()
    kind, flags = RTM_NEWLINK, _REQUEST
    attributes: list[Any] = [["IFLA_IFNAME", operation.name]]
    if isinstance(operation, plan.AddBridge | plan.AddVeth | plan.SetUp):
        message["flags"] = message["change"] = _UP
    match operation:
        case plan.AddBridge():
            flags |= NLM_F_CREATE | NLM_F_EXCL
            attributes += [
                ["IFLA_ADDRESS", operation.mac],
                ["IFLA_MTU", operation.mtu],
                ["IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", "bridge"]]}],
            ]
        case plan.AddVeth():
            flags |= NLM_F_CREATE | NLM_F_EXCL
            attributes += _veth_attributes(operation)
        case plan.SetHairpin():
            port = {"attrs": [["IFLA_BRPORT_MODE", 1]]}
            slave = [["IFLA_INFO_SLAVE_KIND", "bridge"], ["IFLA_INFO_SLAVE_DATA", port]]
            attributes.append(["IFLA_LINKINFO", {"attrs": slave}])
        case plan.Unplug():
            message["change"] = _UP
            attributes.append(["IFLA_MASTER", 0])
        case plan.DeleteLink():
            kind = RTM_DELLINK
        case plan.SetUp():
            # The kernel finds a link by name as well, but loopback has its number in every namespace.
            if operation.name == "lo":
                message["index"], attributes = _LOOPBACK_INDEX, []
    message["attrs"] = attributes
    return _finish(message, kind, flags)


def _veth_attributes(operation: plan.AddVeth) -> list[Any]:
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


def _addressing(operation: plan.AddAddress | plan.AddDefaultRoute) -> bytes:
    if isinstance(operation, plan.AddDefaultRoute):
        message = rtmsg()
        message["family"] = socket.AF_INET
        message["table"], message["proto"], message["type"] = _MAIN_TABLE, _PROTO_BOOT, _UNICAST
        # No interface is named: the kernel takes the one through which the gateway is reached.
        message["attrs"] = [["RTA_GATEWAY", operation.gateway]]
        return _finish(message, RTM_NEWROUTE, _REQUEST | NLM_F_CREATE | NLM_F_EXCL)
    message = ifaddrmsg()
    message["family"], message["prefixlen"] = socket.AF_INET, operation.prefix_length
    message["index"] = INDEX_SENTINEL
    message["attrs"] = [
        ["IFA_LOCAL", operation.address],
        ["IFA_ADDRESS", operation.address],
        ["IFA_BROADCAST", operation.broadcast],
    ]
    return _finish(message, RTM_NEWADDR, _REQUEST | NLM_F_CREATE | NLM_F_EXCL)


# -- nftables --------------------------------------------------------------------------------------
_TABLES = {
    plan.AddTable: (nft.NFT_MSG_NEWTABLE, _REQUEST | NLM_F_CREATE | NLM_F_EXCL),
    plan.DeleteTable: (nft.NFT_MSG_DELTABLE, _REQUEST),
    plan.FindTable: (nft.NFT_MSG_GETTABLE, _REQUEST),
}


def _table(operation: plan.AddTable | plan.DeleteTable | plan.FindTable) -> bytes:
    kind, flags = _TABLES[type(operation)]
    message = nft.nft_table_msg()
    message["attrs"] = [["NFTA_TABLE_NAME", operation.name]]
    message["nfgen_family"] = nft.NFPROTO_IPV4
    return _finish(message, NFNL_SUBSYS_NFTABLES << 8 | kind, flags)


def _nftables(operation: plan.AddChain | plan.AddRule) -> bytes:
    flags = NLM_F_REQUEST | NLM_F_CREATE
    match operation:
        case plan.AddChain():
            message, kind = nft.nft_chain_msg(), nft.NFT_MSG_NEWCHAIN
            hook = {
                "attrs": [
                    ["NFTA_HOOK_HOOKNUM", _HOOKS[operation.name]],
                    ["NFTA_HOOK_PRIORITY", operation.priority],
                ]
            }
            message["attrs"] = [
                ["NFTA_CHAIN_TABLE", operation.table],
                ["NFTA_CHAIN_NAME", operation.name],
                ["NFTA_CHAIN_HOOK", hook],
                ["NFTA_CHAIN_POLICY", _NF_ACCEPT],
                ["NFTA_CHAIN_TYPE", operation.type],
            ]
        case plan.AddRule():
            message, kind = nft.nft_rule_msg(), nft.NFT_MSG_NEWRULE
            flags |= nft.NLM_F_APPEND
            expressions = [item for part in operation.matches for item in _match(part)]
            message["attrs"] = [
                ["NFTA_RULE_TABLE", operation.table],
                ["NFTA_RULE_CHAIN", operation.chain],
                ["NFTA_RULE_EXPRESSIONS", [*expressions, *_verdict(operation.verdict)]],
            ]
    message["nfgen_family"] = nft.NFPROTO_IPV4
    return _finish(message, NFNL_SUBSYS_NFTABLES << 8 | kind, flags)


def _match(part: plan.Match) -> list[Any]:
    match part:
        case plan.InterfaceMatch(direction, name, negate):
            key = nft.Meta.NFT_META_IIFNAME if direction == "iif" else nft.Meta.NFT_META_OIFNAME
            loaded = [_expression("meta", key=int(key), dreg=_NFT_REG_1)]
            return [*loaded, _compare(name.encode().ljust(_IFNAMSIZ, b"\0"), negate=negate)]
        case plan.AddressMatch(side, address, prefix_length):
            offset = _SADDR_OFFSET if side == "saddr" else _DADDR_OFFSET
            loaded = [_payload(1, offset, 4)]
            if prefix_length != 32:  # noqa: PLR2004 - bits of an IPv4 address
                loaded.append(_mask(struct.pack(">I", (1 << 32) - (1 << (32 - prefix_length)))))
            return [*loaded, _compare(socket.inet_aton(address))]
        case plan.LocalDestination():
            # pyroute2 takes the result for a set of flags: the number 3 is its lowest two.
            result = nft.nft_rule_msg.nft_expr.nft_fib.fib_result.ops[:2]
            fib = _expression("fib", dreg=_NFT_REG_1, result=set(result), flags=_FIB_DADDR)
            return [fib, _compare(struct.pack("=I", _RTN_LOCAL))]
        case plan.ProtocolMatch(protocol):
            loaded = [_expression("meta", key=int(nft.Meta.NFT_META_L4PROTO), dreg=_NFT_REG_1)]
            return [*loaded, _compare(bytes([_PROTOCOLS[protocol]]))]
        case plan.PortMatch(port):
            return [_payload(2, 2, 2), _compare(struct.pack(">H", port))]
        case plan.Established() | plan.Published():
            established = isinstance(part, plan.Established)
            return _conntrack(0, _CT_ESTABLISHED_RELATED) if established else _conntrack(2, _CT_DST_NAT)


def _verdict(verdict: plan.Verdict) -> list[Any]:
    match verdict:
        case plan.Masquerade():
            return [_expression("masq")]
        case plan.DestinationNat(address, port):
            return [
                _immediate(_NFT_REG_1, socket.inet_aton(address)),
                _immediate(_NFT_REG_2, struct.pack(">H", port)),
                _expression(
                    "nat",
                    type=1,
                    family=nft.NFPROTO_IPV4,
                    reg_addr_min=_NFT_REG_1,
                    reg_proto_min=_NFT_REG_2,
                ),
            ]
        case _:
            code = _NF_ACCEPT if isinstance(verdict, plan.Accept) else _NF_DROP
            data = {"attrs": [["NFTA_DATA_VERDICT", {"attrs": [["NFTA_VERDICT_CODE", code]]}]]}
            return [_expression("immediate", dreg=0, data=data)]


def _expression(name: str, **attributes: Any) -> Any:
    named = [[f"NFTA_{name.upper()}_{key.upper()}", value] for key, value in attributes.items()]
    return {"attrs": [["NFTA_EXPR_NAME", name], ["NFTA_EXPR_DATA", {"attrs": named}]]}


def _data(value: bytes) -> Any:
    return {"attrs": [["NFTA_DATA_VALUE", value]]}


def _payload(base: int, offset: int, length: int) -> Any:
    return _expression("payload", dreg=_NFT_REG_1, base=base, offset=offset, len=length)


def _compare(value: bytes, *, negate: bool = False) -> Any:
    return _expression("cmp", sreg=_NFT_REG_1, op=int(negate), data=_data(value))


def _mask(mask: bytes) -> Any:
    return _expression(
        "bitwise",
        sreg=_NFT_REG_1,
        dreg=_NFT_REG_1,
        len=len(mask),
        mask=_data(mask),
        xor=_data(bytes(len(mask))),
    )


def _immediate(register: int, value: bytes) -> Any:
    return _expression("immediate", dreg=register, data=_data(value))


def _conntrack(key: int, bits: int) -> list[Any]:
    """The conntrack value ``key`` has at least one of ``bits`` (host byte order, unlike the headers)."""
    return [
        _expression("ct", dreg=_NFT_REG_1, key=key),
        _mask(struct.pack("=I", bits)),
        _compare(bytes(4), negate=True),
    ]


def _finish(message: Any, kind: int, flags: int) -> bytes:
    message["header"]["type"] = kind
    message["header"]["flags"] = flags
    message["header"]["sequence_number"] = 1
    message.encode()
    return bytes(message.data)
