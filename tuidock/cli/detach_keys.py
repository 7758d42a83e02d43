"""Owns detach keys: their spelling (``ctrl-p,ctrl-q``) and finding them in what is typed; refuses I/O.

Source: moby/term ascii.go (ToBytes) and proxy.go: keys of a sequence that was begun are held back, and
sent once it turns out to be something else.
"""

from __future__ import annotations

DEFAULT = "ctrl-p,ctrl-q"
_CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse(text: str) -> bytes:
    """The bytes of ``text``; ValueError names the key that is none."""
    return bytes(_key(name) for name in text.split(","))


def checked(text: str) -> str:
    """``text`` itself, the default for an empty one; ValueError if it holds what is no key."""
    parse(text or DEFAULT)
    return text or DEFAULT


def _key(name: str) -> int:
    if len(name) == 1 and name.isascii():
        return ord(name)
    if name == "DEL":
        return 127
    control, _, letter = name.partition("-")
    if control == "ctrl" and len(letter) == 1:
        if "a" <= letter <= "z":
            return ord(letter) - ord("a") + 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
    raise ValueError(f"unknown character: '{name}'")


class DetachKeys:
    """Filters what is typed; ``found`` once the whole sequence was."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._matched = 0
        self.found = False

    def feed(self, typed: bytes) -> bytes:
        """What of ``typed`` (and of keys held back) is to be sent on."""
        if not self._sequence:
            return typed
        out = bytearray()
        for key in typed:
            if key == self._sequence[self._matched]:
                self._matched += 1
                if self._matched == len(self._sequence):
                    self.found = True
                    return bytes(out)
                continue
            out += self._sequence[: self._matched]
            self._matched = int(key == self._sequence[0])
            if not self._matched:
                out.append(key)
        return bytes(out)
