"""Owns the cutting of a template's text into literal text and tokens; refuses to know their grammar.

Source: Go text/template/parse/lex.go.
"""

from __future__ import annotations

import re

import msgspec


class TemplateError(Exception):
    """A template that cannot be parsed or executed; the message is Go's."""


class Token(msgspec.Struct, frozen=True):
    """One token: ``kind`` is text, open, close, field, variable, name, string, number, space or a sign."""

    kind: str
    text: str
    line: int


_ACTION_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
  | (?P<character>'(?:[^'\\\n]|\\.)+')
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
  | (?P<field>\.[A-Za-z_]\w*)
  | (?P<dot>\.)
  | (?P<variable>\$\w*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<sign>:=|=|\||\(|\)|,)
    """,
    re.VERBOSE,
)
_ESCAPES = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def tokens(source: str) -> list[Token]:
    """All tokens of ``source``; every action stands between an open and a close token."""
    found: list[Token] = []
    position, trim_next = 0, False
    while position < len(source):
        start = source.find("{{", position)
        literal = source[position:] if start < 0 else source[position:start]
        inner = start + 2
        trim_left = (
            start >= 0 and source[inner : inner + 1] == "-" and source[inner + 1 : inner + 2].isspace()
        )
        text = literal.lstrip() if trim_next else literal
        if text := (text.rstrip() if trim_left else text):
            found.append(Token("text", text, _line(source, position)))
        if start < 0:
            break
        position, trim_next = _action(source, inner + trim_left, found)
    return found


def unquote(literal: str) -> str:
    """The value of a Go string literal, quoted or raw."""
    if literal[0] == "`":
        return literal[1:-1]
    return _ESCAPES.sub(_escape, literal[1:-1])


def _action(source: str, position: int, found: list[Token]) -> tuple[int, bool]:
    """Append the tokens of the action at ``position``; its end, and whether the text after it is trimmed."""
    line = _line(source, position)
    stripped = position + len(source[position:]) - len(source[position:].lstrip())
    comment = _COMMENT.match(source, stripped)
    if comment:
        end = _end(source, comment.end())
        if end is None:
            raise TemplateError(f"template: :{line}: comment ends before closing delimiter")
        return end
    found.append(Token("open", "{{", line))
    while True:
        end = _end(source, position)
        if end is not None:
            found.append(Token("close", "}}", _line(source, position)))
            return end
        match = _ACTION_TOKEN.match(source, position)
        if match is None:
            raise _bad_character(source, position)
        kind = match.lastgroup or ""
        found.append(Token(match[0] if kind == "sign" else kind, match[0], _line(source, position)))
        position = match.end()


def _end(source: str, position: int) -> tuple[int, bool] | None:
    if source.startswith("}}", position):
        return position + 2, False
    trimmed = re.compile(r"\s+-}}").match(source, position)
    return (trimmed.end(), True) if trimmed else None


def _bad_character(source: str, position: int) -> TemplateError:
    line = _line(source, position)
    if position >= len(source):
        return TemplateError(f"template: :{line}: unclosed action")
    if source[position] in "\"'`":
        return TemplateError(f"template: :{line}: unterminated quoted string")
    return TemplateError(f"template: :{line}: unexpected {source[position]!r} in operand")


def _escape(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    if match[4]:
        return chr(int(match[4], 8))
    return _SIMPLE.get(match[5], match[5])


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1
