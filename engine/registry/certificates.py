"""Owns whom TLS trusts, host by host, and who we are there; refuses to trust more without being told.

As docker and containers-certs.d(5) have it: ``certs.d/HOST[:PORT]`` with ``*.crt`` authorities, and
``*.cert`` with its ``*.key`` for ours; the machine's folders, and the user's own.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDERS = ("/etc/docker/certs.d", "/etc/containers/certs.d")
_USERS_FOLDERS = (".config/docker/certs.d", ".config/containers/certs.d")


def context(host: str, environ: Mapping[str, str], *, insecure: bool) -> ssl.SSLContext:
    """How ``host`` (with its port, if the address has one) is spoken to; InvalidInput names a bad file.

    SSL_CERT_FILE and SSL_CERT_DIR replace what the machine trusts. ``insecure`` takes any certificate.
    """
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    try:
        made = ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        where = file or folder or "the trusted certificates"
        raise InvalidInput(where, f"no certificates of authorities: {error.strerror or error}") from error
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    home = environ.get("HOME")
    for place in (*FOLDERS, *(f"{home}/{folder}" for folder in _USERS_FOLDERS if home)):
        _add(made, f"{place}/{host}")
    return made


def _add(made: ssl.SSLContext, place: str) -> None:
    try:
        names = sorted(os.listdir(place))
    except OSError:
        return  # there is none for this host, or it is not for us to see
    for name in names:
        path = f"{place}/{name}"
        try:
            if name.endswith(".crt"):
                made.load_verify_locations(path)
            elif name.endswith(".cert"):
                # With no password: else OpenSSL would ask for one at the terminal.
                made.load_cert_chain(path, path.removesuffix(".cert") + ".key", password=lambda: b"")
        except (OSError, ssl.SSLError, ValueError) as error:
            remedy = "a client certificate NAME.cert needs its NAME.key beside it, both in PEM, no password"
            raise InvalidInput(path, str(getattr(error, "strerror", "") or error), remedy=remedy) from error
