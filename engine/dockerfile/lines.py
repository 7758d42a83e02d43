"""Owns Dockerfile text → logical lines with their places; refuses to know any instruction's syntax.

dockerfile-parse takes the lines apart into instructions. It joins continuations in its own way, so it is
given lines that are already whole: directives read, comments and blank lines inside continuations dropped,
heredoc bodies set aside. What it gives back is put together here with line numbers of the original file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from engine.dockerfile.expand import split_heredoc_name, split_raw
from engine.errors import DockerfileSyntaxError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WHITESPACE = re.compile(r"[\t\v\f\r ]+")
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z")
_DIRECTIVES = frozenset({"escape", "syntax", "check"})
_HEREDOC = re.compile(r"(\d*)<<(-?)([^<]*)\Z")
_HEREDOC_SPACE = re.compile(r"<<[ \t]+")
_LINE_END = "\x00"
"""Closes each line given to dockerfile-parse, so that no backslash or space at the end is taken away."""


class Heredoc(msgspec.Struct, frozen=True, kw_only=True):
    """One here-document; ``expand`` is false where its name was quoted, ``chomp`` is the ``<<-`` form."""

    name: str
    content: str
    expand: bool
    chomp: bool
    file_descriptor: int = 0

    @property
    def text(self) -> str:
        """The content as a file gets it: leading tabs removed where ``<<-`` asks for it."""
        return re.sub(r"(?m)^\t+", "", self.content) if self.chomp else self.content


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One logical line; ``start`` and ``end`` are lines of the file, from 1, both inclusive."""

    instruction: str
    """In capitals."""
    value: str
    """What follows the instruction's name, trimmed."""
    original: str
    """The whole line, continuations joined."""
    start: int
    end: int
    comments: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A Dockerfile cut into logical lines, with its parser directives."""

    path: str
    lines: tuple[Line, ...]
    text_lines: tuple[str, ...]
    escape: str = "\\"
    syntax: str = ""
    check: str = ""

    def error(self, reason: str, line: int, *, span_of: str = "", remedy: str = "") -> DockerfileSyntaxError:
        """An error at ``line`` with its source, the caret under ``span_of`` or the whole line."""
        return syntax_error(self.path, self.text_lines, reason, line, span_of=span_of, remedy=remedy)


def syntax_error(
    path: str, text_lines: tuple[str, ...], reason: str, line: int, *, span_of: str = "", remedy: str = ""
) -> DockerfileSyntaxError:
    """A DockerfileSyntaxError at ``line`` (from 1) of ``text_lines``."""
    source = text_lines[line - 1] if 0 < line <= len(text_lines) else ""
    start = source.find(span_of) if span_of else -1
    if start >= 0:
        span = (start, start + len(span_of))
    else:
        span = (len(source) - len(source.lstrip()), len(source.rstrip()))
    return DockerfileSyntaxError(reason, path=path, line=line, span=span, source=source, remedy=remedy)


def read_source(text: str, path: str, takes_heredocs: Callable[[str], bool]) -> Source:
    """Cut ``text`` into logical lines; ``takes_heredocs(line)`` says whether ``<<NAME`` opens one there."""
    reader = _Reader(text, path, takes_heredocs)
    raw = list(reader.logical_lines())
    if not raw:
        raise syntax_error(path, reader.lines, "file with no instructions", len(reader.lines))
    lines = tuple(_structured(raw, reader))
    return Source(
        path=path,
        lines=lines,
        text_lines=reader.lines,
        escape=reader.directives.get("escape", "\\"),
        syntax=reader.directives.get("syntax", ""),
        check=reader.directives.get("check", ""),
    )


class _Raw(msgspec.Struct, frozen=True):
    """A logical line before its instruction is taken from it."""

    text: str
    start: int
    end: int
    comments: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]


class _Reader:
    """Walks the file's lines once."""

    def __init__(self, text: str, path: str, takes_heredocs: Callable[[str], bool]) -> None:
        text = text.removeprefix("\ufeff")
        body = text.removesuffix("\n")
        self.lines: tuple[str, ...] = tuple(line.rstrip("\r") for line in body.split("\n")) if text else ()
        self.path = path
        self._takes_heredocs = takes_heredocs
        self.directives: dict[str, str] = {}
        self._directives_done = False
        self._next = 0
        self._set_escape("\\")
        if "\x00" in text:
            line = text[: text.index("\x00")].count("\n") + 1
            raise syntax_error(path, self.lines, "a Dockerfile is text, this line has a NUL byte", line)

    def logical_lines(self) -> Iterator[_Raw]:
        comments: list[str] = []
        while self._next < len(self.lines):
            line = self.lines[self._next].lstrip()
            self._next += 1
            if self._read_directive(line) or not line:
                continue
            if line.startswith("#"):
                # An empty comment ends a block; only the block right before an instruction documents it.
                comment = line[1:].strip()
                comments = [*comments, comment] if comment else []
                continue
            start = self._next
            joined = self._join(line)
            heredocs = self._heredocs(joined, start)
            if joined.strip():
                yield _Raw(joined, start, self._next, tuple(comments), heredocs)
            comments = []

    def _join(self, line: str) -> str:
        joined, goes_on = self._continued(line)
        while goes_on and self._next < len(self.lines):
            line = self.lines[self._next]
            self._next += 1
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            part, goes_on = self._continued(line)
            joined += part
        return joined

    def _continued(self, line: str) -> tuple[str, bool]:
        found = self._continuation.search(line)
        return (line[: found.start(1)], True) if found else (line, False)

    def _heredocs(self, line: str, start: int) -> tuple[Heredoc, ...]:
        if "<<" not in line or not self._takes_heredocs(line):
            return ()
        try:
            opened = [
                heredoc
                for word in split_raw(_HEREDOC_SPACE.sub("<<", line))
                if (heredoc := parse_heredoc(word))
            ]
        except InvalidInput:
            return ()  # a quote that never closes: the instruction itself will say so, or the shell
        return tuple(self._body(heredoc, start) for heredoc in opened)

    def _body(self, heredoc: Heredoc, start: int) -> Heredoc:
        content: list[str] = []
        while self._next < len(self.lines):
            line = self.lines[self._next]
            self._next += 1
            if (line.lstrip("\t") if heredoc.chomp else line) == heredoc.name:
                return msgspec.structs.replace(heredoc, content="".join(content))
            content.append(f"{line}\n")
        raise syntax_error(
            self.path,
            self.lines,
            "unterminated heredoc",
            start,
            span_of=f"<<{heredoc.name}",
            remedy=f"end the text with a line that is only {heredoc.name}",
        )

    def _read_directive(self, line: str) -> bool:
        if self._directives_done:
            return False
        found = _DIRECTIVE.match(line)
        name = found[1].lower() if found else ""
        if not found or name not in _DIRECTIVES:
            self._directives_done = True
            return False
        if name in self.directives:
            raise self._directive_error(f"only one {name} parser directive can be used")
        if name == "escape":
            if found[2] not in {"\\", "`"}:
                raise self._directive_error(f"invalid escape token '{found[2]}' does not match ` or \\")
            self._set_escape(found[2])
        self.directives[name] = found[2]
        return True

    def _directive_error(self, reason: str) -> DockerfileSyntaxError:
        return syntax_error(self.path, self.lines, reason, self._next)

    def _set_escape(self, escape: str) -> None:
        # A doubled escape at the end of a line is a character, not a continuation.
        token = re.escape(escape)
        self._continuation = re.compile(rf"(?:(?<!{token})|^)({token}[ \t]*)\Z")


def parse_heredoc(word: str) -> Heredoc | None:
    """The here-document that ``word`` opens (its content still empty), or None."""
    found = _HEREDOC.match(word)
    if not found or not found[3]:
        return None
    names = split_heredoc_name(found[3], keep_quotes=False)
    if len(names) != 1:
        return None
    plain = split_heredoc_name(found[3], keep_quotes=True) == names
    return Heredoc(
        name=names[0],
        content="",
        expand=plain,
        chomp=bool(found[2]),
        file_descriptor=int(found[1] or 0),
    )


def _structured(raw: list[_Raw], reader: _Reader) -> Iterator[Line]:
    """Let dockerfile-parse take the whole lines apart into instructions and values."""
    from io import BytesIO

    # Imported here: it costs 20 ms, which only a build has to pay.
    from dockerfile_parse import DockerfileParser

    words = [WHITESPACE.split(line.text.strip(), maxsplit=1) for line in raw]
    whole = "".join(f"{word[0]} {word[1] if len(word) > 1 else ''}{_LINE_END}\n" for word in words)
    parser = DockerfileParser(fileobj=BytesIO(whole.encode("utf-8", "surrogateescape")), env_replace=False)
    for entry in parser.structure:
        line = raw[entry["startline"]]
        name = words[entry["startline"]][0]
        if entry["instruction"] != name.upper():
            raise syntax_error(reader.path, reader.lines, f"unknown instruction: {name}", line.start)
        yield Line(
            instruction=entry["instruction"],
            value=entry["value"].removesuffix(_LINE_END).strip(),
            original=line.text,
            start=line.start,
            end=line.end,
            comments=line.comments,
            heredocs=line.heredocs,
        )
