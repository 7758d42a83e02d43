"""Owns a proxy for tests, as HTTP_PROXY and HTTPS_PROXY name one: tunnels and whole addresses, and what was asked."""

from __future__ import annotations

import http.client
import select
import socket
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.support.http_server import LocalServer


class Proxy(LocalServer):
    """Listens at ``host``; ``asked`` are the (method, target, Proxy-Authorization) of each request.

    Every name is this machine, so that names that nobody knows can be asked for.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        super().__init__(_Handler)


class _Handler(BaseHTTPRequestHandler):
    of: Proxy

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        self._note()
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as there:
            self.send_response(200)
            self.end_headers()
            _relay(self.connection, there)

    def do_GET(self) -> None:
        self._note()
        target = urlsplit(self.path)
        there = http.client.HTTPConnection("127.0.0.1", target.port or 80, timeout=30)
        kept = {name: value for name, value in self.headers.items() if not name.startswith("Proxy-")}
        there.request("GET", target.path, headers=kept)
        answer = there.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        there.close()

    def _note(self) -> None:
        self.of.asked.append((self.command, self.path, self.headers.get("Proxy-Authorization", "")))


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    while True:
        ready, _, _ = select.select([one, other], [], [], 30)
        if not ready:
            return
        for side in ready:
            content = side.recv(1 << 16)
            if not content:
                return
            (other if side is one else one).sendall(content)
