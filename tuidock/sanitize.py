"""Owns making foreign text harmless before it is painted; refuses to interpret it in any other way.

Everything that a container, an image, a log or a build wrote passes ``line`` (log lines: colours stay)
or ``label`` (names, commands, messages: no escape at all). What comes out can be put on a terminal: it
holds no control character but the escape of a colour sequence, and is never read as markup, because
widgets turn it into rich ``Text`` or ``Segment`` values only.
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"""
      (?P<sgr>(?:\x1b\[|\x9b)(?P<parameters>[0-9;:]*)m)
    | (?:\x1b\[|\x9b)[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]         # CSI
    | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])                          # OSC, DCS, SOS, PM, APC …
        (?:[^\x07\x1b\x9c]|\x1b(?!\\))*(?:\x07|\x1b\\|\x9c|\Z)      # … with their strings
    | \x1b[\x20-\x2f]+[\x30-\x7e]                                   # character sets and the like
    | \x1b[\x30-\x5a\x5c-\x7e]                                      # two characters
    """,
    re.VERBOSE,
)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb]"
)
_TAB = 8
_LONGEST = 8192
_SPACE, _DELETE, _C1_END = 0x20, 0x7F, 0xA0
_EXTENDED = {"38", "48", "58"}
_HIDING = {"5", "6", "8", "05", "06", "08"}


def line(text: str, *, limit: int = _LONGEST) -> str:
    """One line of output: colour sequences stay, tabs are expanded, all else is visible or gone.

    A carriage return within the line shows what a terminal would show: the text after the last one.
    """
    text = text[:limit].rstrip("\r\n")
    if "\r" in text:
        text = text.rsplit("\r", 1)[-1]
    if text.isascii() and text.isprintable():
        return text
    text = _strip_sequences(text).expandtabs(_TAB)
    pieces: list[str] = []
    position = 0
    for colour in _COLOUR.finditer(text):
        pieces.append(_UNSAFE.sub(_visible, text[position : colour.start()]))
        pieces.append(colour.group())
        position = colour.end()
    pieces.append(_UNSAFE.sub(_visible, text[position:]))
    return "".join(pieces)


def label(text: str, *, limit: int = _LONGEST) -> str:
    """A name or message on one line: no escape sequence at all, control characters visible."""
    text = text[:limit]
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_visible, _COLOUR.sub("", _strip_sequences(text)))


def lines(text: str) -> tuple[str, ...]:
    """Several lines of plain text (an error's story, a document), each made harmless."""
    return tuple(label(part.expandtabs(_TAB)) for part in text.split("\n"))


def _strip_sequences(text: str) -> str:
    """``text`` with only colour sequences left; repeated, because a removal can join two halves."""
    while True:
        stripped = _SEQUENCE.sub(_only_colour, text)
        if stripped == text:
            return stripped
        text = stripped


def _only_colour(match: re.Match[str]) -> str:
    if match.group("sgr") is None:
        return ""
    kept: list[str] = []
    parameters = match.group("parameters").split(";")
    position = 0
    while position < len(parameters):
        parameter = parameters[position]
        width = 1
        if parameter in _EXTENDED:
            mode = parameters[position + 1] if position + 1 < len(parameters) else ""
            width = {"5": 3, "2": 5}.get(mode, 1)
        if parameter not in _HIDING:
            kept.extend(parameters[position : position + width])
        position += width
    return f"\x1b[{';'.join(kept)}m" if kept else ""


def _visible(match: re.Match[str]) -> str:
    """Caret notation as cat -v writes it; invisible format characters by their code point."""
    code = ord(match.group())
    if code < _SPACE:
        return f"^{chr(code + 64)}"
    if code == _DELETE:
        return "^?"
    return f"<{code:02x}>" if code < _C1_END else f"<U+{code:04X}>"
