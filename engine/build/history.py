"""Owns the words of history rows as Docker's BuildKit writes them; refuses anything but text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.build.operations import CopyOperation
    from engine.oci.config import HealthCheck

COMMENT = "buildkit.dockerfile.v0"
"""The rows follow this frontend's form; tools tell by the comment how to read ``created_by``."""
_SUFFIX = " # buildkit"
_UNITS = ((3600 * 10**9, "h"), (60 * 10**9, "m"))


def quoted_list(words: Iterable[str]) -> str:
    """``["a" "b"]``: how Go prints a list of strings with %q."""
    return f"[{' '.join(_quoted(word) for word in words)}]"


def plain_list(words: Iterable[str]) -> str:
    """``[a b]``: how Go prints a list with %v."""
    return f"[{' '.join(words)}]"


def run_row(args: tuple[str, ...], arguments: Mapping[str, str]) -> str:
    """``RUN |1 name=value /bin/sh -c make # buildkit``."""
    prefix = (
        [f"|{len(arguments)}", *(f"{name}={value}" for name, value in arguments.items())] if arguments else []
    )
    return f"RUN {' '.join([*prefix, *args])}{_SUFFIX}"


def copy_row(operation: CopyOperation, *, is_add: bool, destination: str, link: bool) -> str:
    """``COPY --chown=1:1 a b /c/ # buildkit``; ``destination`` as written."""
    words = ["ADD" if is_add else "COPY"]
    if operation.parents:
        words.append("--parents")
    if operation.chown:
        words.append(f"--chown={operation.chown}")
    if operation.chmod:
        words.append(f"--chmod={operation.chmod}")
    if link:
        words.append("--link")
    words += operation.sources
    words += [f"<<{content.name}" for content in operation.contents]
    return f"{' '.join([*words, destination])}{_SUFFIX}"


def healthcheck_row(health: HealthCheck) -> str:
    r"""``HEALTHCHECK &{["CMD" "x"] "30s" "0s" "0s" "0s" '\x03'}``: Go's %q of the struct."""
    durations = (health.interval, health.timeout, health.start_period, health.start_interval)
    shown = " ".join(f'"{_duration(duration)}"' for duration in durations)
    return f"HEALTHCHECK &{{{quoted_list(health.test)} {shown} {_character(health.retries)}}}"


def _quoted(word: str) -> str:
    body = "".join(_escaped(character) for character in word)
    return f'"{body}"'


def _escaped(character: str) -> str:
    named = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    if named:
        return named
    return character if character.isprintable() else f"\\x{ord(character):02x}"


def _character(number: int) -> str:
    if number in {7, 8, 9, 10, 11, 12, 13}:
        return f"'\\{'abtnvfr'[number - 7]}'"
    character = chr(number)
    return f"'{character}'" if character.isprintable() and character != "'" else f"'\\x{number:02x}'"


def _duration(nanoseconds: int) -> str:
    """As Go prints a time.Duration: 1h2m3.5s, 1.5ms, 0s."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 10**9:
        for size, unit in ((10**6, "ms"), (10**3, "µs"), (1, "ns")):
            if nanoseconds >= size:
                return f"{_decimal(nanoseconds, size)}{unit}"
    text = ""
    for size, unit in _UNITS:
        if nanoseconds >= size or text:
            text += f"{nanoseconds // size}{unit}"
            nanoseconds %= size
    return f"{text}{_decimal(nanoseconds, 10**9)}s"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = len(str(size)) - 1
    fraction = f"{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
