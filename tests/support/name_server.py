"""Owns a name server of the tests' own, on port 53 of a loopback address that nobody else has.

What it answers is in the question's first label; see ``NameServer.answer``.
"""

from __future__ import annotations

import secrets
import socket
import struct
import threading
from contextlib import suppress
from typing import Any, Self

BIG = 200
"""The addresses of a name that begins with ``big``: more than a datagram takes."""
_HEADER = struct.Struct(">HHHHHH")


def loopback_address() -> str:
    """One of 127.0.0.0/8, another for each call."""
    return f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250) + 1}.{secrets.randbelow(250) + 1}"


def encode_name(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def query(name: str, kind: int = 1, number: int = 0x1234, klass: int = 1, flags: int = 0x100) -> bytes:
    """A question as a client sends it."""
    return _HEADER.pack(number, flags, 1, 0, 0, 0) + encode_name(name) + struct.pack(">HH", kind, klass)


def a_record(address: str, ttl: int = 60) -> bytes:
    return b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, ttl, 4) + socket.inet_aton(address)


class NameServer:
    """``asked`` are the names of the questions, in order; by stream they begin with ``tcp:``."""

    def __init__(self, address: str = "", always: str = "") -> None:
        self.address = address or loopback_address()
        self._always = always
        self.asked: list[str] = []
        self.clients: list[tuple[str, int]] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for opened in (self._udp, self._tcp):
            opened.bind((self.address, 53))
        self._tcp.listen(16)
        self._connection: socket.socket | None = None
        self._threads = [threading.Thread(target=run) for run in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._udp.sendto(b"", (self.address, 53))
        self._tcp.shutdown(socket.SHUT_RDWR)
        if self._connection is not None:
            with suppress(OSError):  # it is closed
                self._connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def answer(self, packet: bytes, *, stream: bool) -> list[bytes]:
        """``silent``: nothing; ``fail``: SERVFAIL; ``none``: NXDOMAIN; any other name: 192.0.2.1.

        ``spoof``: two that are not the answer, then it; ``big``: truncated, by stream BIG addresses;
        ``long``: as many by datagram. ``always`` stands for any first label.
        """
        number = packet[:2]
        end = packet.index(b"\0", 12) + 5
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        self.asked.append(("tcp:" if stream else "") + ".".join(labels))
        question = packet[12:end]

        def made(rcode: int = 0, records: Any = (), flags: int = 0) -> bytes:
            head = struct.pack(">HHHHH", 0x8180 | flags | rcode, 1, len(records), 0, 0)
            return number + head + question + b"".join(records)

        right = made(records=[a_record("192.0.2.1")])
        other = struct.pack(">H", struct.unpack(">H", number)[0] ^ 1)
        elsewhere = encode_name("other.example") + question[-4:]
        wrong = a_record("203.0.113.66")
        spoofed = [
            other + made(records=[wrong])[2:],
            number + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + elsewhere + wrong,
            right,
        ]
        every = [made(records=[a_record(f"192.0.2.{place}") for place in range(BIG)])]
        known = {
            "silent": [],
            "fail": [made(2)],
            "none": [made(3)],
            "spoof": spoofed,
            "long": every,
            "big": every if stream else [made(flags=0x200)],
        }
        return known.get(self._always or labels[0].lower(), [right])

    def _serve_udp(self) -> None:
        while True:
            packet, client = self._udp.recvfrom(4096)
            if not packet:
                return
            self.clients.append(client)
            for answer in self.answer(packet, stream=False):
                self._udp.sendto(answer, client)

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            self._connection = connection
            with connection, connection.makefile("rb") as reading, suppress(ConnectionError):
                size = int.from_bytes(reading.read(2), "big")
                for answer in self.answer(reading.read(size), stream=True) if size else ():
                    connection.sendall(len(answer).to_bytes(2, "big") + answer)
