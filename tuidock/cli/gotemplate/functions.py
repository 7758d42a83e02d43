"""Owns the functions that templates call: Go's built-in ones and Docker's; refuses I/O.

Sources: Go text/template/funcs.go; docker/cli templates/templates.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tuidock.cli.gotemplate.lexer import TemplateError
from tuidock.cli.gotemplate.printing import shown, sprintf

Function = Callable[..., Any]
_ORDER = {"lt": -1, "gt": 1}


def truth(value: Any) -> bool:
    """Go's notion of non-empty: false, 0, nil and anything of length zero are empty."""
    return bool(value) or callable(value)


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (Mapping, Sequence)):
        return len(value)
    raise TemplateError(f"len of type {_type(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, (list, tuple)):
            if isinstance(key, bool) or not isinstance(key, int):
                raise TemplateError(f"cannot index slice/array with type {_type(key)}")
            if not 0 <= key < len(value):
                raise TemplateError(f"index out of range: {key}")
            value = value[key]
        elif value is None:
            raise TemplateError("index of untyped nil")
        else:
            raise TemplateError(f"can't index item of type {_type(value)}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    if len(bounds) > 2:  # noqa: PLR2004 - Go's third bound is a capacity
        raise TemplateError(f"too many slice indexes: {len(bounds)}")
    if any(not 0 <= bound <= len(value) for bound in bounds):
        raise TemplateError(f"index out of range: {max(bounds)}")
    return value[slice(*bounds)] if len(bounds) == 2 else value[(bounds or (0,))[0] :]  # noqa: PLR2004


def _type(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float64", str: "string", type(None): "nil"}
    return names.get(type(value), "map" if isinstance(value, Mapping) else "slice")


def _equal(left: Any, *rights: Any) -> bool:
    if not rights:
        raise TemplateError("missing argument for comparison")
    for right in rights:
        if None not in (left, right) and _kind(left) != _kind(right):
            raise TemplateError("incompatible types for comparison")
    return left in rights


def _kind(value: Any) -> str:
    return "number" if isinstance(value, float) else _type(value).replace("int", "number")


def _compare(left: Any, right: Any) -> int:
    if _kind(left) != _kind(right):
        raise TemplateError("incompatible types for comparison")
    if not isinstance(left, (int, float, str)) or isinstance(left, bool):
        raise TemplateError("invalid type for comparison")
    return int(left > right) - int(left < right)


def _json(value: Any) -> str:
    return msgspec.json.encode(without_methods(value)).decode()


def without_methods(value: Any) -> Any:
    """``value`` without the callables that stand for a record's methods."""
    if hasattr(value, "raw"):
        return value.raw  # a Go value's own document
    if isinstance(value, Mapping):
        return {key: without_methods(item) for key, item in value.items() if not callable(item)}
    return value


def _join(items: Any, separator: str) -> str:
    return separator.join(shown(item) for item in items or ())


def _title(text: str) -> str:
    """Upper-case the first letter of every word, as Go's strings.Title does."""
    letters = []
    for position, letter in enumerate(text):
        begins = position == 0 or not (text[position - 1].isalnum() or text[position - 1] in "_'")
        letters.append(letter.upper() if begins else letter)
    return "".join(letters)


def _pad(text: str, before: int, after: int) -> str:
    return f"{' ' * before}{text}{' ' * after}" if text else text


def _truncate(text: str, length: int) -> str:
    return text[:length]


def _print(*values: Any) -> str:
    """Go's Sprint: spaces only between two operands that are both not strings."""
    parts: list[str] = []
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            parts.append(" ")
        parts.append(shown(value))
    return "".join(parts)


def _println(*values: Any) -> str:
    return " ".join(map(shown, values)) + "\n"


FUNCTIONS: dict[str, Function] = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": lambda left, right: _compare(left, right) < 0,
    "le": lambda left, right: _compare(left, right) <= 0,
    "gt": lambda left, right: _compare(left, right) > 0,
    "ge": lambda left, right: _compare(left, right) >= 0,
    "not": lambda value: not truth(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "printf": sprintf,
    "println": _println,
    "json": _json,
    "split": lambda text, separator: text.split(separator) if separator else list(text),
    "join": _join,
    "title": _title,
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "pad": _pad,
    "truncate": _truncate,
}

HEADER_FUNCTIONS: dict[str, Function] = (
    FUNCTIONS
    | {
        name: (lambda value, *_: value)
        for name in ("json", "split", "join", "title", "lower", "upper", "pad", "truncate")
    }
    | {"println": lambda value, *_: value}
)
"""In a table's header the columns' titles pass through functions unchanged."""
