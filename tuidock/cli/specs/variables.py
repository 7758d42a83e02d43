"""Owns ``-e``, ``--env-file``, ``-l`` and ``--label-file``: what users write as NAME=value pairs.

Sources: docker/cli opts/env.go and opts/file.go. A bare name is taken from the caller's environment and
dropped where that has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def environment_variable(value: str) -> str:
    """``value`` itself; ValueError if it has no name."""
    if not value or value.startswith("="):
        raise ValueError(f"invalid environment variable: {value}")
    return value


def label(value: str) -> str:
    """``value`` itself; ValueError if it has no name."""
    if not value or value.startswith("="):
        raise ValueError(f"invalid label '{value}': empty name")
    return value


def environment(files: Iterable[str], given: Iterable[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The NAME=value pairs of ``files``, then of ``given``; a later one of the same name wins."""
    pairs: dict[str, str] = {}
    for line in (*(line for path in files for line in read_lines(path)), *given):
        name, equals, value = line.partition("=")
        if equals:
            pairs[name] = value
        elif name in environ:
            pairs[name] = _text(name, environ[name])
    return tuple(f"{name}={value}" for name, value in pairs.items())


def mapping(files: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """Labels of ``files``, then of ``given``; a bare name has an empty value."""
    lines = (*(line for path in files for line in read_lines(path)), *given)
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def read_lines(path: str) -> list[str]:
    """The pairs in a file: no comments, no blank lines; ValueError names the line that is wrong."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise ValueError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    lines = []
    for number, raw in enumerate(content.removeprefix(_BYTE_ORDER_MARK).splitlines(), 1):
        try:
            line = raw.decode().lstrip()
        except UnicodeDecodeError:
            raise ValueError(f"invalid utf8 bytes at line {number} of {path}: {raw!r}") from None
        if line and not line.startswith("#"):
            lines.append(_checked(line, path))
    return lines


def _text(name: str, value: str) -> str:
    if value.encode(errors="replace").decode() != value:
        raise ValueError(f"the value of {name} in the environment is not valid UTF-8")
    return value


def _checked(line: str, path: str) -> str:
    name = line.partition("=")[0]
    if not name:
        raise ValueError(f"invalid environment file {path}: no variable name on line '{line}'")
    if name != name.strip() or any(character.isspace() for character in name):
        raise ValueError(f"invalid environment file {path}: variable '{name}' contains whitespaces")
    return line
