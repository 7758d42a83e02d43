"""Owns the execution of a parsed template on one value; refuses I/O.

Source: Go text/template/exec.go. Records are mappings from field names to values; a callable in one
stands for a method. A field that a record lacks is an error; one that an ``Entries`` map lacks has no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuidock.cli.gotemplate.functions import FUNCTIONS, Function, truth
from tuidock.cli.gotemplate.lexer import TemplateError
from tuidock.cli.gotemplate.parser import Action, Branch, Jump, Node, Operand, Pipe, Text, parse
from tuidock.cli.gotemplate.printing import shown


class Entries(dict[str, Any]):
    """A map keyed by names that people choose (labels, networks): looking up an absent one is no error."""


class Template:
    """A template that was parsed once and renders any number of values."""

    def __init__(self, source: str, functions: dict[str, Function] | None = None) -> None:
        self._nodes = parse(source)
        self._functions = FUNCTIONS if functions is None else functions
        _check_functions(self._nodes, self._functions)

    def render(self, value: Any) -> str:
        """The text for ``value``; TemplateError with Go's message."""
        execution = _Execution(self._functions, value)
        execution.walk(self._nodes, value)
        return "".join(execution.parts)


class _Jump(Exception):
    """Raised by break and continue, caught by the range that they belong to."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Execution:
    def __init__(self, functions: dict[str, Function], root: Any) -> None:
        self._functions = functions
        self._variables: list[tuple[str, Any]] = [("$", root)]
        self.parts: list[str] = []

    def walk(self, nodes: tuple[Node, ...], dot: Any) -> None:
        for node in nodes:
            if isinstance(node, Text):
                self.parts.append(node.text)
            elif isinstance(node, Jump):
                raise _Jump(node.kind)
            elif isinstance(node, Branch):
                mark = len(self._variables)
                self._branch(node, dot)
                del self._variables[mark:]
            else:
                value = self._pipe(node.pipe, dot)
                if not node.pipe.variables:
                    self.parts.append(shown(value))

    def _branch(self, node: Branch, dot: Any) -> None:
        if node.kind == "range":
            self._range(node, dot)
            return
        value = self._pipe(node.pipe, dot)
        if truth(value):
            self.walk(node.body, value if node.kind == "with" else dot)
        else:
            self.walk(node.otherwise, dot)

    def _range(self, node: Branch, dot: Any) -> None:
        # the pipeline's variables are the element's, so they are set here and not by _pipe
        value = self._commands(node.pipe, dot)
        pairs = _pairs(value, node)
        if not pairs:
            self.walk(node.otherwise, dot)
            return
        for key, item in pairs:
            mark = len(self._variables)
            names = node.pipe.variables
            bound = (item,) if len(names) == 1 else (key, item)
            self._variables += zip(names, bound, strict=False)
            try:
                self.walk(node.body, item)
            except _Jump as jump:
                if jump.kind == "break":
                    return
            finally:
                del self._variables[mark:]

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value = self._commands(pipe, dot)
        for name in pipe.variables:
            if pipe.declares:
                self._variables.append((name, value))
            else:
                position = self._position(name)
                self._variables[position] = (name, value)
        return value

    def _commands(self, pipe: Pipe, dot: Any) -> Any:
        final: tuple[Any, ...] = ()
        for command in pipe.commands:
            final = (self._command(command, dot, final),)
        return final[0]

    def _command(self, command: tuple[Operand, ...], dot: Any, final: tuple[Any, ...]) -> Any:
        first = command[0]
        if first.kind == "function" and not first.fields:
            return self._call(first, command[1:], dot, final)
        value = self._operand(first, dot)
        if callable(value):
            arguments = [self._argument(operand, dot) for operand in command[1:]]
            return _guarded(first, value, (*arguments, *final))
        if len(command) > 1 or final:
            raise TemplateError(f"{_at(first)}: can't give argument to non-function {first.source}")
        return value

    def _call(self, name: Operand, operands: tuple[Operand, ...], dot: Any, final: tuple[Any, ...]) -> Any:
        if name.value in {"and", "or"}:
            return self._logical(str(name.value), operands, dot, final)
        arguments = [self._argument(operand, dot) for operand in operands]
        return _guarded(name, self._functions[str(name.value)], (*arguments, *final))

    def _logical(self, name: str, operands: tuple[Operand, ...], dot: Any, final: tuple[Any, ...]) -> Any:
        value: Any = None
        for operand in operands:
            value = self._argument(operand, dot)
            if truth(value) == (name == "or"):
                return value
        return final[0] if final else value

    def _argument(self, operand: Operand, dot: Any) -> Any:
        if operand.kind == "function":
            return self._call(operand, (), dot, ())
        value = self._operand(operand, dot)
        return value() if callable(value) else value

    def _operand(self, operand: Operand, dot: Any) -> Any:
        if operand.kind == "literal":
            return operand.value
        if operand.kind == "variable":
            value = self._variables[self._position(str(operand.value))][1]
        elif operand.kind == "pipe" and isinstance(operand.value, Pipe):
            value = self._pipe(operand.value, dot)
        else:
            value = dot
        for field in operand.fields:
            value = _field(value() if callable(value) else value, field, operand)
        return value

    def _position(self, name: str) -> int:
        for position in range(len(self._variables) - 1, -1, -1):
            if self._variables[position][0] == name:
                return position
        raise TemplateError(f'template: :1: undefined variable "{name}"')


def _field(value: Any, name: str, operand: Operand) -> Any:
    if isinstance(value, Entries):
        return value.get(name)
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise TemplateError(f'{_at(operand)}: map has no entry for key "{name}"')
    if value is None:
        raise TemplateError(f"{_at(operand)}: nil data; no entry for key {name!r}".replace("'", '"'))
    raise TemplateError(f"{_at(operand)}: can't evaluate field {name} in type {type(value).__name__}")


def _pairs(value: Any, node: Branch) -> list[tuple[Any, Any]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return sorted((key, item) for key, item in value.items() if not callable(item))
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [(number, number) for number in range(value)]
    raise TemplateError(f"{_at(node.pipe.commands[0][0])}: range can't iterate over {shown(value)}")


def _guarded(operand: Operand, function: Function, arguments: tuple[Any, ...]) -> Any:
    """Call ``function``; whatever it cannot use becomes an error that names it."""
    try:
        return function(*arguments)
    except TemplateError as error:
        raise TemplateError(f"{_at(operand)}: error calling {operand.source}: {error}") from None
    except (TypeError, AttributeError, ValueError):
        raise TemplateError(
            f"{_at(operand)}: wrong number or type of args for {operand.source}: got {len(arguments)}"
        ) from None


def _at(operand: Operand) -> str:
    return f'template: :{operand.line}: executing "" at <{operand.source}>'


def _check_functions(nodes: tuple[Node, ...], functions: dict[str, Function]) -> None:
    """Refuse unknown functions when parsing, as Go does, and not only when they are reached."""
    for node in nodes:
        if isinstance(node, Action | Branch):
            _check_pipe(node.pipe, functions)
        if isinstance(node, Branch):
            _check_functions(node.body, functions)
            _check_functions(node.otherwise, functions)


def _check_pipe(pipe: Pipe, functions: dict[str, Function]) -> None:
    for operand in (operand for command in pipe.commands for operand in command):
        if (
            operand.kind == "function"
            and operand.value not in functions
            and operand.value not in {"and", "or"}
        ):
            raise TemplateError(f'template: :{operand.line}: function "{operand.value}" not defined')
        if isinstance(operand.value, Pipe):
            _check_pipe(operand.value, functions)
