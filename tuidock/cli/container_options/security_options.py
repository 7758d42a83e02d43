"""Owns ``--security-opt``: a table of its names, each giving fields of CreateOptions; refuses other names.

Written ``NAME=VALUE``, or ``NAME:VALUE`` as Docker did once. Source: docker/cli, parseSecurityOpts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.command import SpecError
from tuidock.cli.specs import scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def _no_new_privileges(value: str) -> dict[str, Any]:
    return {"no_new_privileges": scalars.boolean(value or "true")}


def _seccomp(value: str) -> dict[str, Any]:
    """The profile's text, so that it is the container's own, whatever becomes of the file."""
    if value in {"builtin", "unconfined"}:
        return {"seccomp": value}
    try:
        with open(value, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        failed = "read" if isinstance(error, (IsADirectoryError, UnicodeDecodeError)) else "open"
        reason = (getattr(error, "strerror", "") or "it is no text").lower()
        raise ValueError(f"opening seccomp profile ({value}) failed: {failed} {value}: {reason}") from None
    from engine.errors import InvalidInput
    from engine.oci.seccomp import parse

    try:
        parse(text)
    except InvalidInput as error:
        raise ValueError(f"seccomp profile ({value}): {error.reason}") from None
    return {"seccomp": _compact(text)}


def _compact(text: str) -> str:
    import msgspec

    return msgspec.json.format(text, indent=-1)


def _apparmor(value: str) -> dict[str, Any]:
    return {"apparmor": value}


def _label(value: str) -> dict[str, Any]:
    return {"label": (value,)}


def _systempaths(value: str) -> dict[str, Any]:
    if value != "unconfined":
        raise ValueError(f'invalid --security-opt 2: "systempaths={value}"')
    return {"systempaths_unconfined": True}


_TABLE: dict[str, Callable[[str], dict[str, Any]]] = {
    "apparmor": _apparmor,
    "label": _label,
    "no-new-privileges": _no_new_privileges,
    "seccomp": _seccomp,
    "systempaths": _systempaths,
}
"""Name to what makes fields of its value; ValueError says, in a whole sentence, why it cannot be used."""
_MAY_BE_BARE = frozenset({"no-new-privileges"})
NAMES = tuple(_TABLE)


def fields(options: Iterable[str]) -> dict[str, Any]:
    """The fields of CreateOptions that ``options`` set: the last of a name counts, tuples add up."""
    merged: dict[str, Any] = {}
    for option in options:
        name, separator, value = option.partition("=" if "=" in option else ":")
        if name not in _TABLE:
            raise SpecError(f'Invalid --security-opt: "{option}" (supported: {", ".join(NAMES)})')
        if not value and (separator or name not in _MAY_BE_BARE):
            raise SpecError(f'Invalid --security-opt: "{option}"')
        try:
            found = _TABLE[name](value)
        except ValueError as error:
            raise SpecError(str(error)) from None
        for field, setting in found.items():
            earlier = merged.get(field)
            merged[field] = (*earlier, *setting) if isinstance(earlier, tuple) else setting
    return merged
