"""Owns a registry for tests: the distribution protocol over real HTTP, with the faults that a test asks for."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import LocalServer
from tests.support.tars import tar

if TYPE_CHECKING:
    import ssl

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Registry(LocalServer):
    """What is in it, who may ask, what goes wrong, and what was asked; a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.basic = ""
        """``user:password``, asked for everywhere."""
        self.token = ""
        """The bearer token that is asked for; its server is this one, at /token."""
        self.cut_after: list[int] = []
        """Of the next blobs, if they are longer, only so many bytes are sent."""
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """(status, headers) that the next blobs are refused with."""
        self.halved: list[str] = []
        """Parts of paths: the next answer to each breaks off in its middle."""
        self.instead: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """By a part of the path: the (status, headers, body) that is answered whatever there is."""
        self.once: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """As ``instead``, for the next such request alone."""
        self.ranges = True
        self.damage = False
        """Blobs come with one bit changed."""
        super().__init__(_Handler, tls)

    def put_blob(self, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return {"digest": digest, "size": len(content)}

    def put_manifest(
        self, repository: str, tag: str, media_type: str, document: dict[str, Any]
    ) -> dict[str, Any]:
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        for reference in (tag, digest):
            self.manifests[repository, reference] = (media_type, content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def put_image(
        self, repository: str, tag: str, *layers: Any, architecture: str = "amd64"
    ) -> dict[str, Any]:
        """An image whose layers are tars of ``members`` (see ``tests.support.tars``); its descriptor."""
        tars = [tar(*members) for members in layers]
        packed = [self.put_blob(gzip.compress(one, mtime=0)) for one in tars]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["true"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in tars],
            },
        }
        described = self.put_blob(json.dumps(config).encode())
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **described},
            "layers": [{"mediaType": _LAYER, **layer} for layer in packed],
        }
        return self.put_manifest(repository, tag, MANIFEST, document)

    def asked(self, part: str) -> list[dict[str, str]]:
        """The headers of each request whose path has ``part`` in it."""
        return [headers for _, path, headers in self.requests if part in path]


class _Handler(BaseHTTPRequestHandler):
    of: Registry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        self.of.requests.append(("GET", self.path, dict(self.headers)))
        other = next((answer for part, answer in self.of.instead.items() if part in self.path), None)
        first = next((part for part in self.of.once if part in self.path), None)
        other = self.of.once.pop(first) if first else other
        if other:
            self._send(other[0], other[2], other[1])
        elif path.path == "/token":
            self._token(parse_qs(path.query))
        elif not self._may():
            self._challenge()
        elif path.path == "/v2/":
            self._send(200, b"{}")
        else:
            self._content(path.path)

    def _may(self) -> bool:
        given = self.headers.get("Authorization", "")
        if self.of.token:
            return given == f"Bearer {self.of.token}"
        return not self.of.basic or given == f"Basic {base64.b64encode(self.of.basic.encode()).decode()}"

    def _challenge(self) -> None:
        host = self.of.host
        bearer = f'Bearer realm="http://{host}/token",service="tests"'
        self._send(
            401,
            b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
            {"WWW-Authenticate": bearer if self.of.token else 'Basic realm="tests"'},
        )

    def _token(self, asked: dict[str, list[str]]) -> None:
        wanted = f"Basic {base64.b64encode(self.of.basic.encode()).decode()}" if self.of.basic else None
        if wanted and self.headers.get("Authorization") != wanted:
            self._send(401, b'{"details":"incorrect username or password"}')
            return
        answer = {"token": self.of.token, "expires_in": 300, "scope": asked.get("scope", [""])[0]}
        self._send(200, json.dumps(answer).encode())

    def _content(self, path: str) -> None:
        repository, kind, reference = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests" and (repository, reference) in self.of.manifests:
            media_type, content = self.of.manifests[repository, reference]
            self._send(200, content, {"Content-Type": media_type})
        elif kind == "blobs" and reference in self.of.blobs:
            self._blob(self.of.blobs[reference])
        elif (kind, reference) == ("tags", "list"):
            tags = [
                tag for name, tag in self.of.manifests if name == repository and not tag.startswith("sha256:")
            ]
            self._send(200, json.dumps({"name": repository, "tags": tags}).encode())
        else:
            code = "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN"
            self._send(404, json.dumps({"errors": [{"code": code, "message": "unknown"}]}).encode())

    def _blob(self, content: bytes) -> None:
        if self.of.refusals:
            status, headers = self.of.refusals.pop(0)
            self._send(status, b"", headers)
            return
        start, status, headers = 0, 200, {}
        wanted = self.headers.get("Range")
        if wanted and self.of.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self._send(416, b"")
                return
            status, headers = 206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        if self.of.damage:
            content = content[:-1] + bytes((content[-1] ^ 1,))
        part = content[start:]
        if self.of.cut_after and len(part) > self.of.cut_after[0]:
            self._begin(status, len(part), headers)
            self.wfile.write(part[: self.of.cut_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        self._send(status, part, headers)

    def _begin(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(status, len(body), headers or {})
        halved = next((part for part in self.of.halved if part in self.path), None)
        if halved:
            self.of.halved.remove(halved)
            self.close_connection = True
            body = body[: len(body) // 2]
        self.wfile.write(body)
