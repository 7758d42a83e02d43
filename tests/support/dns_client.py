"""Asks a name server in the network namespace that it is started in, and prints what came as JSON.

The first argument is the server's address. Each other argument is NAME, NAME/KIND (a number) or NAME/KIND/tcp; each gives [rcode, truncated, addresses or names].
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from typing import Any

RESOLVER = "127.0.0.11"
_TIMEOUT = 10


def ask(pid: int, *questions: str, server: str = RESOLVER) -> list[Any]:
    """What the processes in the namespace of ``pid`` are answered."""
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-S", __file__, server, *questions]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def packet_of(name: str, kind: int) -> bytes:
    labels = [label.encode() for label in name.split(".") if label]
    encoded = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    return os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0" + encoded + struct.pack(">HH", kind, 1)


def read_answer(packet: bytes, asked: bytes) -> list[Any]:
    """[rcode, truncated, the answers' addresses and names]."""
    assert packet[:2] == asked[:2]
    assert packet[12 : len(asked)] == asked[12:]
    found, at = [], len(asked)
    for _ in range(struct.unpack_from(">H", packet, 6)[0]):
        kind, _, _, size = struct.unpack_from(">HHIH", packet, at + 2)
        content = packet[at + 12 : at + 12 + size]
        at += 12 + size
        if kind == 12:
            labels, place = [], 0
            while content[place]:
                labels.append(content[place + 1 : place + 1 + content[place]].decode())
                place += 1 + content[place]
            found.append(".".join(labels))
        else:
            found.append(socket.inet_ntop(socket.AF_INET6 if kind == 28 else socket.AF_INET, content))
    return [packet[3] & 15, bool(packet[2] & 2), found]


def _by_datagram(server: str, packet: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(_TIMEOUT)
        asking.connect((server, 53))  # from there alone, and from port 53
        asking.send(packet)
        return asking.recv(65535)


def _by_stream(server: str, packet: bytes) -> bytes:
    with socket.create_connection((server, 53), _TIMEOUT) as asking, asking.makefile("rb") as reading:
        asking.sendall(len(packet).to_bytes(2, "big") + packet)
        return reading.read(int.from_bytes(reading.read(2), "big"))


def _main() -> None:
    answers = []
    for question in sys.argv[2:]:
        name, kind, transport = [*question.split("/"), "", ""][:3]
        packet = packet_of(name, int(kind or 1))
        answer = (_by_stream if transport == "tcp" else _by_datagram)(sys.argv[1], packet)
        answers.append(read_answer(answer, packet))
    print(json.dumps(answers))


if __name__ == "__main__":
    _main()
