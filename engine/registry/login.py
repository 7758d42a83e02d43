"""Owns the first words with a registry: how it wants to be asked, and who asks; in a worker."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.errors import RegistryError
from engine.registry.client import Client, Session


class Request(msgspec.Struct):
    """Whose ``session`` it is: with the credentials that are to be proved."""

    session: Session


def log_in(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: ``{"identity_token"}``, "" if the registry gives none; RegistryError if it does not know them.

    A registry that asks nobody who he is takes every name.
    """
    client = Client(msgspec.convert(arguments, Request).session)
    try:
        return {"identity_token": _proved(client)}
    except RegistryError as error:
        if error.code not in {"DENIED", "UNAUTHORIZED"}:
            raise
        raise RegistryError(
            f"login attempt to {client.session.base}/v2/ failed: unauthorized",
            code="UNAUTHORIZED",
            temporary=False,
            remedy="check the name and the password",
        ) from error
    finally:
        client.close()


def begin(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: ``{"session"}``, which knows how the registry wants to be asked."""
    client = Client(msgspec.convert(arguments, Request).session)
    try:
        client.ping()
        return {"session": msgspec.to_builtins(client.session)}
    finally:
        client.close()


def _proved(client: Client) -> str:
    client.ping()
    challenge = client.session.challenge
    if challenge is None:
        return ""
    if challenge.scheme == "basic":
        client.check()
        return ""
    scopes = tuple(challenge.parameters.get("scope", "").split())
    return client.ask_token(challenge, scopes, offline=True).refresh_token or ""
