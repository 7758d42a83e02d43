"""Owns a token server for tests: what docker-registry's token authentication asks for, signed by openssl.

Source: the distribution project's docs/spec/auth (token, jwt): ES256, the certificate in the header (x5c).
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import LocalServer

if TYPE_CHECKING:
    from pathlib import Path

_HALF = 32


class TokenServer(LocalServer):
    """Gives tokens to ``user:password``, for what is asked; ``auth`` is docker-registry's section for it."""

    def __init__(self, certificate: Path, key: Path, user: str) -> None:
        self.user = user
        self.asked: list[list[str]] = []
        """The scopes of each token."""
        self._certificate, self._key = certificate, key
        super().__init__(_Handler)
        self.auth = (
            f"auth: {{token: {{realm: 'http://{self.host}/token', service: tests, issuer: tests, "
            f"rootcertbundle: {certificate}}}}}\n"
        )

    def token(self, scopes: list[str]) -> str:
        """A JWT that allows ``scopes``, for five minutes."""
        self.asked.append(scopes)
        now = int(time.time())
        access = []
        for scope in filter(None, scopes):
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        lines = self._certificate.read_text().splitlines()
        header = {"typ": "JWT", "alg": "ES256", "x5c": ["".join(lines[1:-1])]}
        claims = {"iss": "tests", "sub": self.user.partition(":")[0], "aud": "tests", "access": access}
        claims |= {"exp": now + 300, "nbf": now - 10, "iat": now, "jti": str(time.monotonic_ns())}
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        command = ["openssl", "dgst", "-sha256", "-sign", str(self._key)]
        done = subprocess.run(command, input=signed.encode(), capture_output=True, check=True, timeout=30)
        return f"{signed}.{_encoded(_plain(done.stdout))}"


class _Handler(BaseHTTPRequestHandler):
    of: TokenServer

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        known = f"Basic {base64.b64encode(self.of.user.encode()).decode()}"
        if self.headers.get("Authorization") != known:
            self._answer(401, {"details": "incorrect username or password"})
            return
        scopes = " ".join(asked.get("scope", [])).split()
        self._answer(200, {"access_token": self.of.token(scopes), "expires_in": 300})

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _plain(der: bytes) -> bytes:
    """The two numbers of a signature, as JWS has them (RFC 7518, 3.4), of openssl's DER."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2 : at + 2 + length], "big").to_bytes(_HALF, "big"))
        at += 2 + length
    return b"".join(numbers)
