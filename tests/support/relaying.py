"""Owns a process that holds published ports as a supervisor does, relaying what arrives; run as a program."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from engine.shim.loop import Loop
from engine.shim.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10


def entry(port: int, to: int, **fields: Any) -> dict[str, Any]:
    """An entry of a bundle's ``network.ports``: ``[::1]:port`` to ``127.0.0.1:to``."""
    return {
        "host_ip": "::1",
        "host_port": port,
        "protocol": "tcp",
        "container_port": to,
        "address": "127.0.0.1",
        "relay": True,
        **fields,
    }


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port that nobody has now."""
    with socket.socket(socket.AF_INET6, kind) as opened:
        opened.bind(("::", 0))
        return int(opened.getsockname()[1])


@contextlib.contextmanager
def holding(*entries: dict[str, Any], descriptors: int = 1024) -> Iterator[subprocess.Popen[str]]:
    """The process that holds ``entries``, and may have so many ``descriptors``."""
    limited = ["prlimit", f"--nofile={descriptors}:{descriptors}", "--"]
    command = [*limited, sys.executable, __file__, json.dumps(entries)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def serving(answer: Any, address: str = "127.0.0.1") -> Iterator[int]:
    """A server that calls ``answer`` with each connection, each in its thread; its port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen(512)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=attend, args=(connection,), daemon=True).start()

        def attend(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                answer(connection)

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            acceptor.join(PATIENCE)


def echo(connection: socket.socket) -> None:
    """All that comes, until its end; then the end."""
    while content := connection.recv(65536):
        connection.sendall(content)


def connected(port: int, address: str = "::1") -> socket.socket:
    """A connection to a published port."""
    return socket.create_connection((address, port), PATIENCE)


def ask(port: int, content: bytes, address: str = "::1") -> bytes:
    """What comes back until the end, after ``content`` and an end."""
    with connected(port, address) as client:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def children(pid: int) -> list[int]:
    """The forks of a process that has one thread."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def main() -> None:
    ports = Ports(json.loads(sys.argv[1]))
    ports.hold()
    loop = Loop()
    ports.attend(loop)
    print("ready", flush=True)
    while True:
        loop.turn()


if __name__ == "__main__":
    main()
