"""Owns the machine's certificate authorities as members of a root file system; refuses to judge them."""

from __future__ import annotations

import glob
import re

from engine.bootstrap.recipe import Entry
from engine.errors import InvalidInput

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_DISTRIBUTED = "/usr/share/ca-certificates"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def entries() -> list[Entry]:
    """The machine's bundle where programs look for it, and its extra authorities one a file.

    ``update-ca-certificates`` writes the bundle anew when the image's own package is installed; what lies
    in /usr/local/share/ca-certificates is then put back in. InvalidInput if the machine has no bundle.
    """
    bundle = _bundle()
    known = _distributed()
    extra = [found for found in _CERTIFICATE.findall(bundle) if _normal(found) not in known]
    return [
        Entry(name="./etc/ssl"),
        Entry(name="./etc/ssl/certs"),
        Entry(name="./etc/ssl/certs/ca-certificates.crt", mode=0o644, content=bundle),
        Entry(name="./usr/local/share/ca-certificates"),
        *(
            Entry(
                name=f"./usr/local/share/ca-certificates/host-{number:02}.crt",
                mode=0o644,
                content=certificate + b"\n",
            )
            for number, certificate in enumerate(extra)
        ),
    ]


def _bundle() -> bytes:
    for path in BUNDLES:
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            continue
    raise InvalidInput(
        "--host-ca", "this machine has no bundle of authorities", remedy=f"looked in {BUNDLES}"
    )


def _distributed() -> set[bytes]:
    """The authorities that the distribution's own package brings, which the image's package has too."""
    known: set[bytes] = set()
    for path in glob.glob(f"{_DISTRIBUTED}/**/*.crt", recursive=True):
        with open(path, "rb") as file:
            known.update(_normal(found) for found in _CERTIFICATE.findall(file.read()))
    return known


def _normal(certificate: bytes) -> bytes:
    return b"".join(certificate.split())
