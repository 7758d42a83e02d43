"""Owns how values look when a template prints them, and printf; refuses verbs that Go lacks.

Source: Go fmt/print.go, as far as values from JSON documents go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VERB = r"%(?P<flags>[-+ 0#]*)(?P<width>\d+)?(?:\.(?P<precision>\d+))?(?P<verb>[a-zA-Z%])"
_INTEGER_VERBS = "dxXobc"
_FLOAT_VERBS = "fFeEgG"


def shown(value: Any) -> str:
    """Go's ``%v``: ``true``, ``[a b]``, ``map[k:v]`` with sorted keys, ``<no value>`` for nothing."""
    if value is None:
        return "<no value>"
    return plain(value)


def plain(value: Any) -> str:
    """``%v`` of a value inside another one: nothing is ``<nil>``."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, Mapping):
        return _record(value)
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(plain, value))}]"
    return str(value)


def _record(value: Mapping[str, Any]) -> str:
    """A struct as its type has it, a map by its sorted keys."""
    if (declared := getattr(value, "declared", None)) is not None:
        return str(declared())
    items = (f"{key}:{plain(item)}" for key, item in sorted(value.items()) if not callable(item))
    return f"map[{' '.join(items)}]"


def quoted(text: str) -> str:
    """Go's ``%q`` and strconv.Quote: double quotes, escapes for what cannot be printed."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b"}
    escapes |= {"\f": "\\f", "\v": "\\v"}
    parts = []
    for letter in text:
        if letter in escapes:
            parts.append(escapes[letter])
        elif letter.isprintable():
            parts.append(letter)
        else:
            parts.append(letter.encode("unicode_escape").decode())
    return f'"{"".join(parts)}"'


def sprintf(pattern: str, *values: Any) -> str:
    """Go's Sprintf for %v %s %q %d %x %X %o %b %c %f %e %g %t %%, with flags, width and precision."""
    remaining = list(values)

    def replace(match: re.Match[str]) -> str:
        verb = match["verb"]
        if verb == "%":
            return "%"
        if not remaining:
            return f"%!{verb}(MISSING)"
        return _aligned(match, _verb(match, remaining.pop(0)))

    text = re.sub(_VERB, replace, pattern)
    if remaining:
        extra = ", ".join(f"{_go_type(value)}={plain(value)}" for value in remaining)
        text += f"%!(EXTRA {extra})"
    return text


def _verb(match: re.Match[str], value: Any) -> str:
    verb, precision = match["verb"], match["precision"]
    text: str | None = None
    if isinstance(value, str):
        text = _string_verb(verb, precision, value)
    elif (
        verb == "v"
        or (verb == "t" and isinstance(value, bool))
        or (verb == "s" and isinstance(value, (list, tuple, Mapping)))
    ):
        text = plain(value)
    elif verb in _INTEGER_VERBS and isinstance(value, int) and not isinstance(value, bool):
        text = format(value, ("+" if "+" in match["flags"] else "") + verb)
    elif verb in _FLOAT_VERBS and isinstance(value, float):
        text = format(value, f".{precision if precision is not None else 6}{verb}")
    return f"%!{verb}({_go_type(value)}={plain(value)})" if text is None else text


def _string_verb(verb: str, precision: str | None, value: str) -> str | None:
    if verb in "vs":
        return value if precision is None else value[: int(precision)]
    if verb == "q":
        return quoted(value)
    if verb in "xX":
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    return None


def _aligned(match: re.Match[str], text: str) -> str:
    width = int(match["width"] or 0)
    if "-" in match["flags"]:
        return text.ljust(width)
    if "0" in match["flags"] and match["verb"] not in "sqv":
        return text.zfill(width)
    return text.rjust(width)


def _go_type(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float64", str: "string", type(None): "<nil>"}
    return names.get(
        type(value), "map[string]interface {}" if isinstance(value, Mapping) else "[]interface {}"
    )
