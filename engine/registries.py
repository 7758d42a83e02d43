"""Owns the verbs on registries themselves: login, logout, looking; refuses to show a secret anywhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import InvalidInput
from engine.pulling import asked
from engine.registry import credentials
from engine.registry.credentials import Credentials

if TYPE_CHECKING:
    from engine.options import LoginOptions
    from engine.store.intake import Work

DEFAULT = "docker.io"
_SPELLINGS = frozenset({"", DEFAULT, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


class Registries:
    """What this user knows of registries; ``work`` is ``Launcher.work``."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def login(self, options: LoginOptions) -> str:
        """Prove who one is, and keep it; returns where it is kept."""
        domain = to_domain(options.server)
        given = Credentials(options.username, options.password)
        answer = await asked(self._work, domain, "", "engine.registry.login:log_in", {}, known=given)
        token = answer["identity_token"]
        kept = msgspec.structs.replace(given, identity_token=token) if token else given
        return credentials.keep(domain, kept, os.environ)

    async def logout(self, server: str) -> bool:
        """Forget who one is at ``server``; False if that was not known."""
        return credentials.forget(to_domain(server), os.environ)

    async def manifest(self, name: str, *, verbose: bool = False, insecure: bool = False) -> Any:
        """What a registry has under the name, in the shape of ``docker manifest inspect``."""
        from engine import remote

        return await remote.manifests(self._work, name, verbose=verbose, insecure=insecure)

    async def inspect(self, name: str, platform: str | None = None) -> dict[str, Any]:
        """The image that a registry has under the name, as ``image inspect`` shows one; nothing is kept."""
        from engine import remote

        return await remote.image(self._work, name, platform)

    async def username(self, server: str) -> str:
        """By what name one is known at ``server``; "" if by none."""
        return credentials.find(to_domain(server), "", os.environ).username


def to_domain(server: str) -> str:
    """The domain of a registry as people write it: a host, or an address of its API."""
    text = server.removeprefix("https://").removeprefix("http://")
    host = text.partition("/")[0]
    if any(character.isspace() for character in host):
        raise InvalidInput("server", f"{server!r} is no host", remedy="write it like host or host:5000")
    return DEFAULT if host in _SPELLINGS else host
