"""Owns Debian's docker-registry for tests: as a real peer, in front of which faults and tokens can be put."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest

from tests.support.http_server import LocalServer

if TYPE_CHECKING:
    from pathlib import Path


class DockerRegistry:
    """One in ``folder``, at ``host``; ``auth`` and ``tls`` are sections of its configuration."""

    def __init__(self, folder: Path, *, auth: str = "", tls: str = "") -> None:
        if shutil.which("docker-registry") is None:
            pytest.skip("NEEDS A REGISTRY: apt-get install docker-registry")
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        self._config = folder / "config.yml"
        self._config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/store}}}}\n"
            f"http: {{addr: '{self.host}', relativeurls: true{tls}}}\nlog: {{level: error}}\n{auth}"
        )
        self._log = folder / "log"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            command = ["docker-registry", "serve", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        host, _, port = self.host.partition(":")
        for _ in range(200):
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise AssertionError(f"the registry does not listen: {self._log.read_text()}")

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(10)


class Fault(NamedTuple):
    """What happens to the next request of ``method`` whose path has ``part`` in it.

    It is refused with ``answer``; or cut off after ``cut`` bytes of its body; or done, but its answer is lost,
    corrupted (a bit of its body) or late (by a second).
    """

    method: str
    part: str
    answer: tuple[int, dict[str, str]] | None = None
    cut: int | None = None
    lose: bool = False
    corrupt: bool = False
    late: bool = False


class FaultProxy(LocalServer):
    """Between us and the registry at ``there``; ``faults`` happen once each, ``seen`` is what was asked."""

    def __init__(self, there: str) -> None:
        self.there = there
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str, str]] = []
        """(method, path, Content-Range)"""
        super().__init__(_Handler)

    def take(self, method: str, path: str) -> Fault:
        """The fault of this request: none in most."""
        for fault in self.faults:
            if fault.method == method and fault.part in path:
                self.faults.remove(fault)
                return fault
        return Fault(method, path)


class _Handler(BaseHTTPRequestHandler):
    of: FaultProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        fault = self.of.take(self.command, self.path)
        self.of.seen.append((self.command, self.path, self.headers.get("Content-Range", "")))
        if fault.answer:
            self.rfile.read(length)
            self._answer(fault.answer[0], fault.answer[1], b"")
            return
        with contextlib.closing(http.client.HTTPConnection(self.of.there, timeout=60)) as there:
            self._pass_on(there, fault, length)

    def _pass_on(self, there: http.client.HTTPConnection, fault: Fault, length: int) -> None:
        there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            there.putheader(name, value)
        there.endheaders()
        left = length if fault.cut is None else min(length, fault.cut)
        with contextlib.suppress(ConnectionError):  # it may refuse before it has heard all
            while left:
                piece = self.rfile.read(min(left, 1 << 16))
                left -= len(piece)
                there.send(piece)
        self.close_connection = bool(left) or fault.cut is not None or fault.lose
        if fault.cut is not None:
            return
        if fault.late:
            time.sleep(1)
        answer = there.getresponse()
        body = answer.read()
        if fault.lose:
            return
        if fault.corrupt:
            body = body[:-1] + bytes((body[-1] ^ 1,))
        self._answer(answer.status, dict(answer.getheaders()), body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        for name, value in {**headers, "Content-Length": length}.items():
            if name != "Transfer-Encoding":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


for _method in ("GET", "HEAD", "POST", "PUT", "PATCH"):
    setattr(_Handler, f"do_{_method}", _Handler.serve)
