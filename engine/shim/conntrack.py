"""Owns making the kernel forget flows of datagrams to published ports; refuses those of connections.

A flow is led where the rules said at its first datagram, for as long as its client goes on sending: to a
container that is gone, or to nobody because none was there yet. After linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import struct

from engine.shim import sockets
from engine.shim.nftables import NETFILTER, attributes, packed

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Iterator

_GET, _DELETE = 0x101, 0x102
_REQUEST, _DUMP, _ACK = 1, 0x300, 4
_ERROR, _DONE = 2, 3
_NESTED = 0x8000
_TUPLE_ORIG, _FILTER = 1, 25
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_DESTINATIONS = (2, 4)
"""CTA_IP_V4_DST, CTA_IP_V6_DST."""
_PROTO_NUM, _PROTO_DST_PORT = 1, 3
_FILTER_ORIG_FLAGS = 1
_BY_PROTO_NUM = 1 << 3
_UDP = 17
_HEADER, _PORT = struct.Struct("=IHHII"), struct.Struct(">H")
_GENERIC = 4
_PATIENCE = struct.pack("@ll", 5, 0)
_BUFFER = 65536


def forget(runs: list[dict]) -> None:  # type: ignore[type-arg]  # the bundle's ``network.ports`` of udp
    """Forget every flow to one of ``runs``; nothing where the kernel keeps none, or does not tell."""
    for family in (sockets.AF_INET, sockets.AF_INET6):
        wanted = [run for run in runs if (":" in (run.get("host_ip") or "")) == (family == sockets.AF_INET6)]
        if wanted:
            try:
                _forget(family, wanted)
            except OSError:
                pass  # it has no connection tracking; a flow that stays ends by its timeout


def _forget(family: int, runs: list[dict]) -> None:  # type: ignore[type-arg]
    with sockets.Socket(sockets.AF_NETLINK, sockets.SOCK_RAW, NETFILTER) as netlink:
        netlink.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVTIMEO, _PATIENCE)
        netlink.bind((0, 0))
        local: dict[bytes, bool] = {}
        stale = []  # only these are kept: a host may have a million flows
        for flow in _flows(netlink, family):
            address, port = _destination(flow)
            if any(_covers(run, family, address, port, local) for run in runs):
                stale.append(flow)
        for flow in stale:
            netlink.sendto(_message(_DELETE, _ACK, family, _nested(_TUPLE_ORIG, flow)), (0, 0))
            netlink.recv(_BUFFER)  # an ack, or it has gone meanwhile


def _flows(netlink: sockets.Socket, family: int) -> Iterator[bytes]:
    """The CTA_TUPLE_ORIG of each flow of UDP; all flows from a kernel that cannot filter (before 5.8)."""
    proto = _nested(_TUPLE_PROTO, packed(_PROTO_NUM, bytes([_UDP])))
    flags = packed(_FILTER_ORIG_FLAGS, struct.pack("=I", _BY_PROTO_NUM))
    asked = _nested(_TUPLE_ORIG, proto) + _nested(_FILTER, flags)
    netlink.sendto(_message(_GET, _DUMP, family, asked), (0, 0))
    while True:
        answer = netlink.recv(_BUFFER)
        offset = 0
        while offset + _HEADER.size <= len(answer):
            length, kind, *_ = _HEADER.unpack_from(answer, offset)
            if kind == _DONE:
                return
            if kind == _ERROR:
                (code,) = struct.unpack_from("=i", answer, offset + _HEADER.size)
                raise OSError(-code or errno.EPROTO, "the flows cannot be read")
            body = answer[offset + _HEADER.size + _GENERIC : offset + length]
            flow = attributes(body).get(_TUPLE_ORIG, b"")
            if attributes(attributes(flow).get(_TUPLE_PROTO, b"")).get(_PROTO_NUM) == bytes([_UDP]):
                yield flow
            offset += max((length + 3) & ~3, _HEADER.size)


def _destination(flow: bytes) -> tuple[bytes, int]:
    parts = attributes(flow)
    addresses, ports = attributes(parts.get(_TUPLE_IP, b"")), attributes(parts[_TUPLE_PROTO])
    address = next((addresses[kind] for kind in _DESTINATIONS if kind in addresses), b"")
    return address, _PORT.unpack(ports.get(_PROTO_DST_PORT, bytes(2)))[0]


def _covers(run: dict, family: int, address: bytes, port: int, local: dict[bytes, bool]) -> bool:  # type: ignore[type-arg]
    first = run["host_port"]
    if not first <= port < first + run.get("count", 1):
        return False
    host_ip = run.get("host_ip") or "0.0.0.0"
    if host_ip not in {"0.0.0.0", "::"}:
        return sockets.inet_pton(family, host_ip) == address
    if address not in local:
        local[address] = _is_local(family, address)
    return local[address]


def _is_local(family: int, address: bytes) -> bool:
    """Whether it is an address of this host: containers and the host ask others at the same port too."""
    with sockets.Socket(family, sockets.SOCK_DGRAM) as probe:
        try:
            probe.bind((sockets.inet_ntop(family, address), 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def _message(kind: int, flags: int, family: int, attributes: bytes) -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + attributes
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body


def _nested(kind: int, content: bytes) -> bytes:
    return packed(kind | _NESTED, content)
