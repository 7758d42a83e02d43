"""Owns the registries' configuration file: mirrors, and who may be spoken to without TLS; refuses secrets.

``/etc/tuidock/registries.toml``, then the user's own, whose entries replace those of the same host::

    [registry."docker.io"]
    mirrors = ["mirror.example:5000"]

    [registry."lab.example:5000"]
    insecure = true
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_FILE = "/etc/tuidock/registries.toml"
_DEFAULT = "docker.io"
_DEFAULT_HOST = "registry-1.docker.io"


class RegistrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One registry; ``mirrors`` are hosts that are asked before it, in this order."""

    mirrors: tuple[str, ...] = ()
    insecure: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    registry: dict[str, RegistrySettings] = {}


class Endpoint(msgspec.Struct, frozen=True):
    """One host to ask; ``schemes`` are tried in their order, ``insecure`` takes any certificate."""

    host: str
    schemes: tuple[str, ...] = ("https",)
    insecure: bool = False
    mirror: bool = False


def read_settings(environ: Mapping[str, str]) -> dict[str, RegistrySettings]:
    """What the files say, by host; InvalidInput names the file and what is wrong in it."""
    home = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '/root')}/.config"
    found: dict[str, RegistrySettings] = {}
    for path in (SYSTEM_FILE, f"{home}/tuidock/registries.toml"):
        found |= _read(path)
    return found


def with_insecure(settings: Mapping[str, RegistrySettings], domain: str) -> dict[str, RegistrySettings]:
    """``settings``, with ``domain`` taken without TLS, or with any certificate."""
    own = settings.get(domain, RegistrySettings())
    return {**settings, domain: msgspec.structs.replace(own, insecure=True)}


def endpoints(domain: str, settings: Mapping[str, RegistrySettings], *, push: bool) -> tuple[Endpoint, ...]:
    """Whom to ask for an image of ``domain``: its mirrors, then itself; a push goes to itself alone."""
    own = settings.get(domain, RegistrySettings())
    hosts = () if push else own.mirrors
    made = [_endpoint(host, settings.get(host, RegistrySettings()).insecure, mirror=True) for host in hosts]
    return (*made, _endpoint(_DEFAULT_HOST if domain == _DEFAULT else domain, own.insecure, mirror=False))


def _endpoint(host: str, insecure: bool, *, mirror: bool) -> Endpoint:
    scheme, marked, rest = host.partition("://")
    if marked:
        return Endpoint(rest.rstrip("/"), (scheme,), insecure, mirror)
    insecure = insecure or _is_loopback(host)
    return Endpoint(host, ("https", "http") if insecure else ("https",), insecure, mirror)


def _is_loopback(host: str) -> bool:
    """As Docker: what is on this machine needs no certificate."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name in {"localhost", "[::1]"} or name.startswith("127.")


def _read(path: str) -> dict[str, RegistrySettings]:
    import tomllib

    try:
        with open(path, "rb") as file:
            content: dict[str, Any] = tomllib.load(file)
        return msgspec.convert(content, _File).registry
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InvalidInput(path, os.strerror(error.errno or 0)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        remedy = 'write it like [registry."host:5000"], mirrors = ["other:5000"], insecure = true'
        raise InvalidInput(path, str(error), remedy=remedy) from error
