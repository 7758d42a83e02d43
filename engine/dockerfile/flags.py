"""Owns reading an instruction's ``--flags``: values and repeats; refuses what no reader asked for."""

from __future__ import annotations

from engine.dockerfile.suggest import nearest
from engine.errors import InvalidInput


class Flags:
    """The flags of one instruction; ``finish`` refuses those that nobody read."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = [word[2:].partition("=") for word in words]
        self._known: set[str] = set()

    def string(self, name: str) -> str:
        """The value of ``--name=value``, "" if it is not there."""
        values = self._values(name, repeat=False)
        return values[0] if values else ""

    def strings(self, name: str) -> tuple[str, ...]:
        """The values of a flag that may be repeated."""
        return tuple(self._values(name, repeat=True))

    def boolean(self, name: str) -> bool | None:
        """``--name`` or ``--name=true|false``; None if it is not there."""
        self._known.add(name)
        found = [(separator, value) for word, separator, value in self._words if word == name]
        if not found:
            return None
        self._refuse_repeat(name, len(found))
        separator, value = found[0]
        if separator and not value:
            raise InvalidInput("", f"missing a value on flag: {name}")
        if value.lower() not in {"", "true", "false"}:
            raise InvalidInput("", f"expecting boolean value for flag {name}, not: {value}")
        return value.lower() != "false"

    def finish(self) -> None:
        """InvalidInput for a flag that the instruction does not know, with the nearest one that it does."""
        for word, _, _ in self._words:
            if word not in self._known:
                near = nearest(word, self._known)
                hint = f" (did you mean {near}?)" if near else ""
                raise InvalidInput("", f"unknown flag: --{word}{hint}")

    def _values(self, name: str, *, repeat: bool) -> list[str]:
        self._known.add(name)
        found = [(separator, value) for word, separator, value in self._words if word == name]
        if not repeat:
            self._refuse_repeat(name, len(found))
        if any(not separator for separator, _ in found):
            raise InvalidInput("", f"missing a value on flag: {name}")
        return [value for _, value in found]

    def _refuse_repeat(self, name: str, count: int) -> None:
        if count > 1:
            raise InvalidInput("", f"duplicate flag specified: {name}")
