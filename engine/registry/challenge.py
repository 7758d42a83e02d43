"""Owns what a registry says when it refuses: challenges and error documents; pure.

Sources: RFC 9110, 11.3 (challenges), the distribution specification (token authentication, error codes).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEME = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*)(?=\s|$|,)(?!\s*=)")
_PARAMETER = re.compile(r"\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))")
_ESCAPED = re.compile(r"\\(.)")
_SHOWN = 500


class Challenge(msgspec.Struct, frozen=True):
    """What would let us in: ``scheme`` in lower case, with its parameters."""

    scheme: str
    parameters: dict[str, str] = {}


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Problems(msgspec.Struct, frozen=True):
    errors: tuple[_Problem, ...] = ()
    details: str = ""
    message: str = ""


def challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of ``WWW-Authenticate`` headers, in their order; what cannot be read is left out."""
    found: list[Challenge] = []
    for header in headers:
        at = 0
        while scheme := _SCHEME.match(header, at):
            at, parameters = scheme.end(), {}
            while parameter := _PARAMETER.match(header, at):
                quoted, plain = parameter[2], parameter[3]
                parameters[parameter[1].lower()] = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
                at = parameter.end()
            found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)


def explained(status: int, reason: str, body: bytes) -> tuple[str, str]:
    """(code, words) of a refusal: those of the error document, else what HTTP says."""
    try:
        problems = msgspec.json.decode(body, type=_Problems)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problems = _Problems()
    first = next(iter(problems.errors), _Problem())
    words = first.message or problems.details or problems.message or f"{status} {reason}".strip()
    return first.code or str(status), " ".join(words.split())[:_SHOWN]
