"""Owns the grammar of templates: tokens to a tree of frozen nodes; refuses to evaluate.

Source: Go text/template/parse/parse.go. ``define``, ``template`` and ``block`` are refused: one
``--format`` is one template.
"""

from __future__ import annotations

import msgspec

from tuidock.cli.gotemplate.lexer import TemplateError, Token, tokens, unquote

_REFUSED = frozenset({"define", "template", "block"})
_KEYWORDS = frozenset({"if", "else", "end", "range", "with", "break", "continue"})
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_OPERANDS = frozenset({"field", "dot", "variable", "name", "string", "character", "number", "("})


class Operand(msgspec.Struct, frozen=True):
    """``kind``: literal, dot, variable, function or pipe; then ``fields`` are looked up in it."""

    kind: str
    value: object
    fields: tuple[str, ...] = ()
    source: str = ""
    line: int = 1


class Pipe(msgspec.Struct, frozen=True):
    """Commands joined by ``|``, each a tuple of operands; the result may be put in ``variables``."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    declares: bool = True


class Text(msgspec.Struct, frozen=True):
    """Literal text."""

    text: str


class Action(msgspec.Struct, frozen=True):
    """A pipeline whose value is printed, unless it sets a variable."""

    pipe: Pipe


class Branch(msgspec.Struct, frozen=True):
    """``kind``: if, with or range."""

    kind: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()


class Jump(msgspec.Struct, frozen=True):
    """``kind``: break or continue."""

    kind: str


Node = Text | Action | Branch | Jump


def parse(source: str) -> tuple[Node, ...]:
    """The tree of ``source``; TemplateError with Go's message."""
    parser = _Parser(tokens(source))
    nodes, ending = parser.nodes()
    if ending is not None:
        raise TemplateError(f"template: :{ending.line}: unexpected {{{{{ending.text}}}}}")
    return nodes


class _Parser:
    def __init__(self, stream: list[Token]) -> None:
        self._stream = stream
        self._at = 0
        self._loops = 0

    def nodes(self) -> tuple[tuple[Node, ...], Token | None]:
        """Nodes up to the end of the input or an ``else`` or ``end`` (whose keyword is consumed)."""
        found: list[Node] = []
        while self._at < len(self._stream):
            token = self._next()
            if token.kind == "text":
                found.append(Text(token.text))
                continue
            self._skip_space()
            word = self._peek()
            if word.kind == "name" and word.text in {"else", "end"}:
                return tuple(found), self._next()
            found.append(self._action(word))
        return tuple(found), None

    def _action(self, word: Token) -> Node:
        if word.kind == "name" and word.text in _REFUSED:
            raise TemplateError(f"template: :{word.line}: {word.text} is not supported")
        if word.kind == "name" and word.text in {"if", "with", "range"}:
            return self._branch(self._next().text)
        if word.kind == "name" and word.text in {"break", "continue"}:
            self._next()
            if not self._loops:
                raise TemplateError(f"template: :{word.line}: {{{{{word.text}}}}} outside {{{{range}}}}")
            self._close()
            return Jump(word.text)
        pipe = self._pipe("command")
        self._close()
        return Action(pipe)

    def _branch(self, kind: str) -> Branch:
        pipe = self._pipe(kind)
        self._close()
        self._loops += kind == "range"
        body, ending = self.nodes()
        self._loops -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if ending is not None and ending.text == "else":
            self._skip_space()
            if self._peek().text == kind and kind != "range":  # else if, else with
                return Branch(kind, pipe, body, (self._branch(self._next().text),))
            self._close()
            otherwise, ending = self.nodes()
        if ending is None or ending.text != "end":
            raise TemplateError(f"template: :{self._line()}: unexpected EOF")
        self._close()
        return Branch(kind, pipe, body, otherwise)

    def _pipe(self, context: str) -> Pipe:
        self._skip_space()
        variables, declares = self._declaration(context)
        commands: list[tuple[Operand, ...]] = []
        while True:
            command = self._command()
            if not command:
                raise TemplateError(f"template: :{self._line()}: missing value for {context}")
            commands.append(command)
            if self._peek().kind != "|":
                return Pipe(tuple(commands), variables, declares)
            self._next()

    def _declaration(self, context: str) -> tuple[tuple[str, ...], bool]:
        start, names = self._at, []
        while self._peek().kind == "variable":
            names.append(self._next().text)
            self._skip_space()
            following = self._peek().kind
            if following in {":=", "="}:
                self._next()
                return tuple(names), following == ":="
            if following != "," or context != "range":
                break
            self._next()
            self._skip_space()
        self._at = start
        return (), True

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        self._skip_space()
        while self._peek().kind in _OPERANDS:
            operands.append(self._operand())
            if self._peek().kind not in {"space", "|", ")", "close"}:
                token = self._peek()
                raise TemplateError(f'template: :{token.line}: unexpected "{token.text}" in operand')
            self._skip_space()
        if self._peek().kind not in {"|", ")", "close"}:
            token = self._peek()
            raise TemplateError(f'template: :{token.line}: unexpected "{token.text}" in operand')
        return tuple(operands)

    def _operand(self) -> Operand:
        start = self._at
        token = self._next()
        kind, value = self._term(token)
        fields: list[str] = [token.text[1:]] if token.kind == "field" else []
        while self._peek().kind == "field":
            fields.append(self._next().text[1:])
        source = "".join(part.text for part in self._stream[start : self._at])
        return Operand(kind, value, tuple(fields), source, token.line)

    def _term(self, token: Token) -> tuple[str, object]:
        if token.kind in {"field", "dot"}:
            return "dot", None
        if token.kind == "variable":
            return "variable", token.text
        if token.kind == "(":
            pipe = self._pipe("parenthesized pipeline")
            if self._peek().kind != ")":
                raise TemplateError(f"template: :{token.line}: unclosed left paren")
            self._next()
            return "pipe", pipe
        if token.kind == "name":
            if token.text in _KEYWORDS:
                raise TemplateError(f"template: :{token.line}: unexpected <{token.text}>")
            if token.text in _CONSTANTS:
                return "literal", _CONSTANTS[token.text]
            return "function", token.text
        return "literal", _constant(token)

    def _close(self) -> None:
        self._skip_space()
        token = self._next()
        if token.kind != "close":
            raise TemplateError(f'template: :{token.line}: unexpected "{token.text}" in command')

    def _skip_space(self) -> None:
        while self._peek().kind == "space":
            self._at += 1

    def _peek(self) -> Token:
        if self._at >= len(self._stream):
            raise TemplateError(f"template: :{self._line()}: unexpected EOF")
        return self._stream[self._at]

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _line(self) -> int:
        return self._stream[min(self._at, len(self._stream)) - 1].line if self._stream else 1


def _constant(token: Token) -> object:
    if token.kind == "string":
        return unquote(token.text)
    if token.kind == "character":
        return ord(unquote(token.text))
    try:
        return int(token.text, 0)
    except ValueError:
        return float(token.text)
