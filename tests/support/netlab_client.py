"""Owns what a lab's hosts ask servers with: one page, one datagram, or a connection that stays. Standard library only."""

from __future__ import annotations

import socket
import sys
import time
import urllib.error
import urllib.request

_STEP = 0.05


def get(url: str, patience: str) -> None:
    """Print the page; tried for ``patience`` seconds, because a server needs a moment to listen."""
    deadline = time.monotonic() + float(patience)
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - the lab's own server
                print(answer.read().decode())
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{url}: {error}") from error
            time.sleep(_STEP)


def echo(address: str, port: str, text: str, patience: str) -> None:
    """Print what comes back from a server of datagrams; asked again until it answers."""
    deadline = time.monotonic() + float(patience)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((address, int(port)))
        asking.settimeout(_STEP)
        while time.monotonic() < deadline:
            try:
                asking.send(text.encode())
                print(asking.recv(1000).decode())
            except OSError:
                time.sleep(_STEP)
                continue
            return
    raise SystemExit(f"{address}:{port}: no answer")


def talk(address: str, port: str) -> None:
    """One connection: each line of the input goes to the server, each line of its answer to the output."""
    with socket.create_connection((address, int(port)), timeout=20) as connection:
        answers = connection.makefile("r")
        print("connected", flush=True)
        for line in sys.stdin:
            connection.sendall(line.encode())
            print(answers.readline(), end="", flush=True)


if __name__ == "__main__":
    {"get": get, "echo": echo, "talk": talk}[sys.argv[1]](*sys.argv[2:])
