"""Owns tables, chains and rules as nfnetlink messages (libnftnl's expressions), by pyroute2."""

from __future__ import annotations

import socket
import struct
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink import nftsocket as nft

from engine.network.netlink.messages import REQUEST, finish
from engine.network.plan import operations as ops

_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_FAMILIES = {
    "ip": nft.NFPROTO_IPV4,
    "ip6": nft.NFPROTO_IPV6,
    "inet": nft.NFPROTO_INET,
    "bridge": nft.NFPROTO_BRIDGE,
}
_HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
_ADDRESS_OFFSETS = {(4, "saddr"): 12, (4, "daddr"): 16, (16, "saddr"): 8, (16, "daddr"): 24}
"""In the network header, by the address's bytes."""
_PORT_OFFSETS = {"sport": 0, "dport": 2}
_CHECKSUM_OFFSETS = {"tcp": 16, "udp": 6}
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_IPV4_CHECKSUM_OFFSET = 10
_CHECKSUM_INET = 1
_CHECKSUM_PSEUDO_HEADER = {"NFT_PAYLOAD_L4CSUM_PSEUDOHDR"}
_FIB_DADDR, _RTN_LOCAL = 2, 2
_CT_ESTABLISHED_RELATED = 2 | 4
_CT_DST_NAT = 32
_CMP_LTE, _CMP_GTE = 3, 5
_NF_DROP, _NF_ACCEPT = 0, 1
_NFT_REG_1, _NFT_REG_2 = 1, 2
_IFNAMSIZ = 16

_TABLES = {
    ops.AddTable: (nft.NFT_MSG_NEWTABLE, REQUEST | NLM_F_CREATE | NLM_F_EXCL),
    ops.DeleteTable: (nft.NFT_MSG_DELTABLE, REQUEST),
    ops.FindTable: (nft.NFT_MSG_GETTABLE, REQUEST),
}


def table(operation: ops.AddTable | ops.ReplaceTable | ops.DeleteTable | ops.FindTable) -> bytes:
    """The message of one operation on a whole table; of a replacement three: be there, go, come."""
    if isinstance(operation, ops.ReplaceTable):
        ensured = _table(operation, nft.NFT_MSG_NEWTABLE, NLM_F_REQUEST | NLM_F_CREATE)
        gone = _table(operation, nft.NFT_MSG_DELTABLE, NLM_F_REQUEST)
        return ensured + gone + _table(operation, *_TABLES[ops.AddTable])
    return _table(operation, *_TABLES[type(operation)])


def _table(
    operation: ops.AddTable | ops.ReplaceTable | ops.DeleteTable | ops.FindTable, kind: int, flags: int
) -> bytes:
    message = nft.nft_table_msg()
    message["attrs"] = [["NFTA_TABLE_NAME", operation.name]]
    message["nfgen_family"] = _FAMILIES[operation.family]
    return finish(message, NFNL_SUBSYS_NFTABLES << 8 | kind, flags)


def chain_or_rule(operation: ops.AddChain | ops.AddRule) -> bytes:
    """The message of one addition to a table."""
    flags = NLM_F_REQUEST | NLM_F_CREATE
    match operation:
        case ops.AddChain():
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
        case ops.AddRule():
            message, kind = nft.nft_rule_msg(), nft.NFT_MSG_NEWRULE
            flags |= nft.NLM_F_APPEND
            expressions = [item for part in operation.matches for item in _match(part)]
            message["attrs"] = [
                ["NFTA_RULE_TABLE", operation.table],
                ["NFTA_RULE_CHAIN", operation.chain],
                ["NFTA_RULE_EXPRESSIONS", [*expressions, *_verdict(operation.verdict)]],
            ]
    message["nfgen_family"] = _FAMILIES[operation.family]
    return finish(message, NFNL_SUBSYS_NFTABLES << 8 | kind, flags)


def batch_bounds() -> tuple[bytes, bytes]:
    """The messages that begin and end one nftables transaction."""
    bounds = []
    for kind in (_BATCH_BEGIN, _BATCH_END):
        message = nfgen_msg()
        message["res_id"] = NFNL_SUBSYS_NFTABLES
        bounds.append(finish(message, kind, NLM_F_REQUEST))
    return bounds[0], bounds[1]


def _match(part: ops.Match) -> list[Any]:
    match part:
        case ops.InterfaceMatch(direction, name, negate):
            key = nft.Meta.NFT_META_IIFNAME if direction == "iif" else nft.Meta.NFT_META_OIFNAME
            loaded = [_expression("meta", key=int(key), dreg=_NFT_REG_1)]
            return [*loaded, _compare(name.encode().ljust(_IFNAMSIZ, b"\0"), negate=negate)]
        case ops.AddressMatch(side, address, prefix_length):
            packed = _packed(address)
            size = len(packed)
            loaded = [_payload(_NETWORK_HEADER, _ADDRESS_OFFSETS[size, side], size)]
            if prefix_length != 8 * size:
                mask = (1 << 8 * size) - (1 << (8 * size - prefix_length))
                loaded.append(_mask(mask.to_bytes(size, "big")))
            return [*loaded, _compare(packed)]
        case ops.LocalDestination():
            # pyroute2 takes the result for a set of flags: the number 3 is its lowest two.
            result = nft.nft_rule_msg.nft_expr.nft_fib.fib_result.ops[:2]
            fib = _expression("fib", dreg=_NFT_REG_1, result=set(result), flags=_FIB_DADDR)
            return [fib, _compare(struct.pack("=I", _RTN_LOCAL))]
        case ops.ProtocolMatch(protocol):
            loaded = [_expression("meta", key=int(nft.Meta.NFT_META_L4PROTO), dreg=_NFT_REG_1)]
            return [*loaded, _compare(bytes([_PROTOCOLS[protocol]]))]
        case ops.PortMatch() | ops.PortRangeMatch():
            bounds = ((0, part.port),) if isinstance(part, ops.PortMatch) else _bounds(part)
            loaded = [_payload(_TRANSPORT_HEADER, _PORT_OFFSETS[part.side], 2)]
            return [*loaded, *(_compare(struct.pack(">H", port), op=op) for op, port in bounds)]
        case ops.Established() | ops.Published():
            established = isinstance(part, ops.Established)
            return _conntrack(0, _CT_ESTABLISHED_RELATED) if established else _conntrack(2, _CT_DST_NAT)


def _bounds(part: ops.PortRangeMatch) -> tuple[tuple[int, int], ...]:
    return (_CMP_GTE, part.first), (_CMP_LTE, part.last)


def _verdict(verdict: ops.Verdict) -> list[Any]:
    match verdict:
        case ops.Masquerade():
            return [_expression("masq")]
        case ops.SourceNat(address):
            family = nft.NFPROTO_IPV6 if ":" in address else nft.NFPROTO_IPV4
            nat = _expression("nat", type=0, family=family, reg_addr_min=_NFT_REG_1)
            return [_immediate(_NFT_REG_1, _packed(address)), nat]
        case ops.DestinationNat(address, port):
            return [
                _immediate(_NFT_REG_1, _packed(address)),
                _immediate(_NFT_REG_2, struct.pack(">H", port)),
                _expression(
                    "nat",
                    type=1,
                    family=nft.NFPROTO_IPV6 if ":" in address else nft.NFPROTO_IPV4,
                    reg_addr_min=_NFT_REG_1,
                    reg_proto_min=_NFT_REG_2,
                ),
            ]
        case ops.DestinationAddress(address):
            family = nft.NFPROTO_IPV6 if ":" in address else nft.NFPROTO_IPV4
            nat = _expression("nat", type=1, family=family, reg_addr_min=_NFT_REG_1)
            return [_immediate(_NFT_REG_1, _packed(address)), nat]
        case ops.RewritePort() | ops.RewriteAddress():
            return _rewrite(verdict)
        case _:
            code = _NF_ACCEPT if isinstance(verdict, ops.Accept) else _NF_DROP
            data = {"attrs": [["NFTA_DATA_VERDICT", {"attrs": [["NFTA_VERDICT_CODE", code]]}]]}
            return [_expression("immediate", dreg=0, data=data)]


def _rewrite(verdict: ops.RewritePort | ops.RewriteAddress) -> list[Any]:
    if isinstance(verdict, ops.RewritePort):
        value, base = struct.pack(">H", verdict.port), _TRANSPORT_HEADER
        offset, checksum = _PORT_OFFSETS[verdict.side], _CHECKSUM_OFFSETS[verdict.protocol]
        flags = {}
    else:
        value, base = _packed(verdict.address), _NETWORK_HEADER
        offset, checksum = _ADDRESS_OFFSETS[len(value), verdict.side], _IPV4_CHECKSUM_OFFSET
        flags = {"csum_flags": _CHECKSUM_PSEUDO_HEADER}  # the transport's checksum holds the address too
    written = _expression(
        "payload",
        sreg=_NFT_REG_1,
        base=base,
        offset=offset,
        len=len(value),
        csum_type=_CHECKSUM_INET,
        csum_offset=checksum,
        **flags,
    )
    return [_immediate(_NFT_REG_1, value), written]


def _expression(name: str, **attributes: Any) -> Any:
    named = [[f"NFTA_{name.upper()}_{key.upper()}", value] for key, value in attributes.items()]
    return {"attrs": [["NFTA_EXPR_NAME", name], ["NFTA_EXPR_DATA", {"attrs": named}]]}


def _data(value: bytes) -> Any:
    return {"attrs": [["NFTA_DATA_VALUE", value]]}


def _payload(base: int, offset: int, length: int) -> Any:
    return _expression("payload", dreg=_NFT_REG_1, base=base, offset=offset, len=length)


def _compare(value: bytes, *, negate: bool = False, op: int = 0) -> Any:
    return _expression("cmp", sreg=_NFT_REG_1, op=op or int(negate), data=_data(value))


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


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
