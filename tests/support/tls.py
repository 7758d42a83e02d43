"""Owns certificates for tests, by openssl: an authority, and what it signs for a server or a client."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """A private authority in ``folder``: ``ca.crt``, and NAME.crt with NAME.key for each that it signed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.crt"
        folder.mkdir()
        _openssl(*_KEY, "-x509", "-days", "2", "-subj", "/CN=authority of tests", *self._out("ca"))

    def sign(self, name: str, *, address: str = "") -> tuple[Path, Path]:
        """(certificate, key) for ``name``, and as a server at ``address``."""
        request = self._folder / f"{name}.csr"
        made, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        _openssl(*_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=IP:{address}\n" if address else "basicConstraints=CA:FALSE\n")
        authority = ("-CA", str(self.certificate), "-CAkey", str(self._folder / "ca.key"), "-CAcreateserial")
        signing = ("x509", "-req", "-days", "2", "-in", str(request), "-extfile", str(extensions))
        _openssl(*signing, *authority, "-out", str(made))
        return made, key

    def _out(self, name: str) -> tuple[str, ...]:
        folder = self._folder
        return ("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt"))


_KEY = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
