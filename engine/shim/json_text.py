"""Owns JSON by the interpreter's C functions: ``json`` brings ``re`` and ``enum``, 1 MB in each supervisor.

As ``json`` with its defaults: ASCII out, NaN both ways, anything that JSON has in. Refuses every option.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPACE = " \t\n\r"


class _Rules:
    """What the scanner asks for while it reads."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}.__getitem__


_scan = make_scanner(_Rules)  # type: ignore[arg-type]  # typed after the pure Python one


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON")


_encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)


def dumps(value: object) -> str:
    """``value`` (None, bool, int, float, str, dict, list, tuple) as text; TypeError otherwise."""
    return "".join(_encode(value, 0))


def loads(text: str | bytes | bytearray) -> Any:
    """The one value in ``text`` (UTF-8 if bytes); ValueError otherwise."""
    if not isinstance(text, str):
        text = text.decode("utf-8", "surrogatepass")
    stripped = text.strip(_SPACE)
    try:
        value, end = _scan(stripped, 0)
    except StopIteration as stop:
        raise ValueError(f"no JSON value at character {stop.value}") from None
    if end != len(stripped):
        raise ValueError(f"more than one JSON value: character {end}")
    return value
