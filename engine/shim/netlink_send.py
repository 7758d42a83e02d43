"""Owns sending compiled netlink datagrams and checking their answers; refuses to compose or explain them.

An item is what ``engine.network.template`` makes and a bundle's "network" lists hold. Family -1 is none of
netlink's: a sysctl of the caller's network namespace, the message is its path below /proc/sys, = and value;
nor is -2: what ``engine.shim.iptables`` does::

    {"family": 0 | 12 | -1 | -2, "message": base64, "expect_acks": n, "ignore_errno": [n, …],
     "indexes": [[offset, interface name], …]}

``indexes`` are 32-bit interface indexes that only the sender can know: the kernel numbers an interface
when it makes it. They are looked up, in the caller's network namespace, just before the item is sent.
"""

from __future__ import annotations

import binascii
import errno
import os
import struct

from engine.shim import sockets

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_SYSCTL, IPTABLES = -1, -2
_NLMSG_ERROR = 2
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_BUFFER = 65536
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_OVERHEAD = 16
"""What a small answer costs in the kernel's reckoning, as a multiple of the message that it is about."""
_PATIENCE = struct.pack("@ll", 10, 0)


def send(items: list[dict]) -> None:  # type: ignore[type-arg]  # JSON
    """Send ``items`` in order; raises OSError (the kernel's errno and words) at the first refusal."""
    opened: dict[int, sockets.Socket] = {}
    try:
        for item in items:
            family = item["family"]
            if family >= 0 and family not in opened:
                opened[family] = _open(family)
            try:
                if family == _SYSCTL:
                    _set(item)
                elif family == IPTABLES:
                    from engine.shim import iptables  # few hosts have nothing else

                    iptables.send(binascii.a2b_base64(item["message"]))
                else:
                    _send_one(opened[family], item)
            except OSError as error:
                if error.errno not in item["ignore_errno"]:
                    raise
    finally:
        for netlink in opened.values():
            netlink.close()


def send_all(items: list[dict]) -> list[OSError]:  # type: ignore[type-arg]  # JSON
    """Send every item of a teardown whatever the others answer; returns the refusals not ignored."""
    refused = []
    for item in items:
        try:
            send([item])
        except OSError as error:
            refused.append(error)
    return refused


def _open(family: int) -> sockets.Socket:
    opened = sockets.Socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, family)
    # Not settimeout: Python would then wait for MSG_DONTWAIT as well.
    opened.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVTIMEO, _PATIENCE)
    opened.bind((0, 0))
    for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK):
        try:
            opened.setsockopt(_SOL_NETLINK, option, 1)
        except OSError:
            pass  # before Linux 4.12: errors come without the kernel's words
    return opened


def _send_one(opened: sockets.Socket, item: dict) -> None:  # type: ignore[type-arg]  # JSON
    message = _completed(item)
    if len(message) > _BUFFER:  # hundreds of published ports: more than a socket takes by default
        opened.setsockopt(sockets.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * len(message))
        opened.setsockopt(sockets.SOL_SOCKET, _SO_RCVBUFFORCE, _OVERHEAD * len(message))
    opened.sendto(message, (0, 0))
    # The kernel has handled the datagram when sendto returns, and has queued one answer for each
    # message that asked and for each that failed: all are read, an error may stand behind an ack.
    acks, refusal = 0, None
    while True:
        waiting = refusal is None and acks < item["expect_acks"]
        try:
            answer = opened.recv(_BUFFER, 0 if waiting else sockets.MSG_DONTWAIT)
        except BlockingIOError as error:
            if waiting:
                raise OSError(errno.ETIMEDOUT, "the kernel did not answer") from error
            break
        for number, words in _answers(answer):
            if number == 0:
                acks += 1
            elif refusal is None:
                text = os.strerror(number)
                refusal = OSError(number, f"{text} ({words})" if words else text)
    if refusal is not None:
        raise refusal


def _set(item: dict) -> None:  # type: ignore[type-arg]  # JSON
    key, _, value = binascii.a2b_base64(item["message"]).partition(b"=")
    setting = os.open(b"/proc/sys/" + key, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(setting, value)
    finally:
        os.close(setting)


def _completed(item: dict) -> bytearray:  # type: ignore[type-arg]  # JSON
    """The item's datagram with the interface indexes in it."""
    message = bytearray(binascii.a2b_base64(item["message"]))
    for offset, name in item.get("indexes", ()):
        try:
            index = sockets.if_nametoindex(name)
        except OSError as error:
            raise OSError(errno.ENODEV, f"no interface {name}") from error
        struct.pack_into("=I", message, offset, index)
    return message


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The (type, flags, content) of each message in ``data`` (netlink(7))."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _answers(data: bytes) -> list[tuple[int, str]]:
    """(errno or 0, the kernel's words) of each NLMSG_ERROR in ``data``; other messages are skipped."""
    answers = []
    for kind, flags, content in messages(data):
        if kind == _NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", content)
            words = ""
            if code and flags & _NLM_F_ACK_TLVS:
                words = _words(content[4 + _HEADER.size :])  # after the refused message's header
            answers.append((-code, words))
    return answers


def _words(attributes: bytes) -> str:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, offset)
        if length < _ATTRIBUTE.size:
            break
        if kind == _NLMSGERR_ATTR_MSG:
            text = attributes[offset + _ATTRIBUTE.size : offset + length]
            return text.rstrip(b"\0").decode("utf-8", "replace")
        offset += (length + 3) & ~3
    return ""
