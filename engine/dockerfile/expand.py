"""Owns word expansion: quotes, escapes, ``$name`` and ``${name…}``; refuses command substitution.

Source: the Dockerfile reference ("Environment replacement") and BuildKit's observable behaviour; the rules
are those of the POSIX shell's parameter expansion, without bracket expressions in patterns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SPECIAL_PARAMETERS = "@*#?-$!0"
_END = ""


class Expansion(msgspec.Struct, frozen=True, kw_only=True):
    """A word expanded: as one string, split at unquoted spaces, and the names that were looked up."""

    text: str
    words: tuple[str, ...]
    matched: frozenset[str]
    unmatched: frozenset[str]


def expand_word(word: str, environment: Mapping[str, str], escape: str = "\\", *, quotes: bool = True) -> str:
    """``word`` with variables replaced, spaces kept; quotes are removed unless they mean nothing there."""
    if quotes:
        return expand(word, environment, escape).text
    return _Lexer(word, environment, escape, quotes=False).until(_END, raw_escapes=False)[0]


def expand_words(word: str, environment: Mapping[str, str], escape: str = "\\") -> tuple[str, ...]:
    """``word`` expanded, then split at the spaces that no quote protects."""
    return expand(word, environment, escape).words


def expand(word: str, environment: Mapping[str, str], escape: str = "\\") -> Expansion:
    """``word`` expanded; InvalidInput says what is wrong with it."""
    lexer = _Lexer(word, environment, escape)
    text, words = lexer.until(_END, raw_escapes=False)
    return Expansion(
        text=text,
        words=tuple(words),
        matched=frozenset(lexer.matched),
        unmatched=frozenset(lexer.unmatched),
    )


def split_raw(line: str) -> tuple[str, ...]:
    """``line`` split at unquoted spaces with quotes, escapes and variables left as they are written."""
    lexer = _Lexer(line, {}, "\\", keep_quotes=True, keep_unset=True)
    return tuple(lexer.until(_END, raw_escapes=True)[1])


def split_heredoc_name(word: str, *, keep_quotes: bool) -> tuple[str, ...]:
    """``word`` split at unquoted spaces, escapes taken away, variables left as they are written."""
    lexer = _Lexer(word, {}, "\\", keep_quotes=keep_quotes, keep_unset=True)
    return tuple(lexer.until(_END, raw_escapes=False)[1])


class _Words:
    """Collects words: unquoted spaces separate, everything quoted is part of a word."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._word = ""

    def add(self, text: str) -> None:
        for character in text:
            if not character.isspace():
                self._word += character
            elif self._word:
                self._done.append(self._word)
                self._word = ""

    def add_quoted(self, text: str) -> None:
        self._word += text

    def finish(self) -> list[str]:
        return [*self._done, self._word] if self._word else self._done


class _Lexer:
    """One pass over one word; quotes, and variables that are not set, may be kept as written."""

    def __init__(
        self,
        source: str,
        environment: Mapping[str, str],
        escape: str,
        *,
        quotes: bool = True,
        keep_quotes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        self._source = source
        self._position = 0
        self._environment = environment
        self._escape = escape
        self._quotes = "'\"" if quotes else ""
        self._keep_quotes = keep_quotes
        self._keep_unset = keep_unset
        self._raw_escapes = keep_quotes
        self.matched: set[str] = set()
        self.unmatched: set[str] = set()

    def until(self, stop: str, *, raw_escapes: bool) -> tuple[str, list[str]]:
        """Expand up to the character ``stop`` (consumed), or to the end of the source."""
        saved, self._raw_escapes = self._raw_escapes, raw_escapes
        try:
            return self._until(stop)
        finally:
            self._raw_escapes = saved

    def _until(self, stop: str) -> tuple[str, list[str]]:
        result: list[str] = []
        words = _Words()
        while (character := self._peek()) != _END:
            if character == stop:
                self._next()
                return "".join(result), words.finish()
            if character == "$":
                text = self._dollar()
                words.add(text)
            elif character in self._quotes:
                text = self._single_quoted() if character == "'" else self._double_quoted()
                words.add_quoted(text)
            else:
                text = self._plain(words)
            result.append(text)
        if stop != _END:
            raise self._fail(f"unexpected end of statement while looking for matching {stop}")
        return "".join(result), words.finish()

    def _plain(self, words: _Words) -> str:
        character = self._next()
        if character != self._escape:
            words.add(character)
            return character
        # An escaped character stands for itself, also a space; at the end of the word it is dropped.
        text = f"{character if self._raw_escapes else ''}{self._next()}"
        words.add_quoted(text)
        return text

    def _single_quoted(self) -> str:
        self._next()
        end = self._source.find("'", self._position)
        if end < 0:
            raise self._fail("unexpected end of statement while looking for matching single-quote")
        text = self._source[self._position : end]
        self._position = end + 1
        return f"'{text}'" if self._keep_quotes else text

    def _double_quoted(self) -> str:
        opening = self._next()
        result = [opening] if self._keep_quotes else []
        while True:
            character = self._peek()
            if character == _END:
                raise self._fail("unexpected end of statement while looking for matching double-quote")
            if character == "$":
                result.append(self._dollar())
                continue
            self._next()
            if character == '"':
                if self._keep_quotes:
                    result.append(character)
                return "".join(result)
            if character == self._escape:
                if self._raw_escapes:
                    result.append(character)
                if self._peek() == _END:
                    continue
                if self._peek() in {'"', "$", self._escape}:
                    character = self._next()
            result.append(character)

    def _dollar(self) -> str:
        start = self._position
        self._next()
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._lookup(name)
        else:
            self._next()
            if self._peek() == _END:
                raise self._fail("syntax error: missing '}'")
            if self._peek() in "{}:":
                raise self._fail("syntax error: bad substitution")
            name = self._name()
            value = self._braced(name)
        if self._keep_unset and name not in self._environment:
            return self._source[start : self._position]
        return value or ""

    def _braced(self, name: str) -> str | None:
        modifier = self._next()
        if modifier == "}":
            return self._lookup(name)
        if modifier == "/":
            return self._replaced(name)
        colon = modifier == ":"
        if colon:
            modifier = self._next()
        if not modifier or modifier not in ("+-?" if colon else "+-?#%"):
            raise self._fail(f"unsupported modifier ({':' if colon else ''}{modifier}) in substitution")
        word = self._operand("}", raw_escapes=modifier in "#%")
        value = self._lookup(name)
        if modifier in "#%":
            return _trimmed(value or "", word, modifier)
        missing = value is None or (colon and not value)
        if modifier == "-":
            return word if missing else value
        if modifier == "+":
            return "" if missing else word
        if missing and not self._keep_unset:
            state = "unset" if value is None else "empty"
            raise self._fail(f"{name}: {word or f'is not allowed to be {state}'}")
        return value

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self._next()
        pattern = self._operand("/", raw_escapes=True)
        replacement = self._operand("}", raw_escapes=True)
        value = self._lookup(name) or ""
        expression = re.compile(_to_regex(_pattern_tokens(pattern), greedy=True))
        if not pattern:
            return value
        return expression.sub(_constant(replacement), value, count=0 if every else 1)

    def _operand(self, stop: str, *, raw_escapes: bool) -> str:
        try:
            return self.until(stop, raw_escapes=raw_escapes)[0]
        except InvalidInput as error:
            if self._peek() == _END:
                where = " in ${}" if stop == "/" else ""
                raise self._fail(f"syntax error: missing '{stop}'{where}") from error
            raise

    def _name(self) -> str:
        start = self._position
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._next()
        elif first and first in _SPECIAL_PARAMETERS:
            self._next()
        else:
            while (character := self._peek()).isalpha() or character.isdecimal() or character == "_":
                self._next()
        return self._source[start : self._position]

    def _lookup(self, name: str) -> str | None:
        value = self._environment.get(name)
        (self.unmatched if value is None else self.matched).add(name)
        return value

    def _peek(self) -> str:
        return self._source[self._position : self._position + 1]

    def _next(self) -> str:
        character = self._peek()
        self._position += len(character)
        return character

    def _fail(self, reason: str) -> InvalidInput:
        return InvalidInput(f"failed to process {self._source!r}", reason)


def _constant(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


def _trimmed(value: str, word: str, modifier: str) -> str:
    """``value`` without the shortest (``#`` ``%``) or longest (``##`` ``%%``) prefix or suffix ``word``."""
    greedy = word.startswith(modifier)
    tokens = _pattern_tokens(word[1:] if greedy else word)
    if modifier == "#":
        found = re.match(_to_regex(tokens, greedy=greedy), value)
        return value[found.end() :] if found else value
    found = re.match(_to_regex(tokens[::-1], greedy=greedy), value[::-1])
    return value[: len(value) - found.end()] if found else value


def _pattern_tokens(pattern: str) -> list[tuple[str, bool]]:
    """Characters of ``pattern``, each with whether it is a wildcard."""
    tokens: list[tuple[str, bool]] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "\\":
            following = pattern[position : position + 1]
            if not following or following not in "*?\\}/":
                raise InvalidInput(f"pattern {pattern!r} in substitution", f"invalid escape '\\{following}'")
            tokens.append((following, False))
            position += 1
        else:
            tokens.append((character, character in "*?"))
    return tokens


def _to_regex(tokens: list[tuple[str, bool]], *, greedy: bool) -> str:
    star = ".*" if greedy else ".*?"
    return "".join(
        (star if character == "*" else ".") if wild else re.escape(character) for character, wild in tokens
    )
