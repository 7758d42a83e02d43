"""Owns lists: rows through ``--format``, ``-q`` or a table, by Docker's rules; refuses to know any record.

A row is a mapping from Docker's field names to texts (or to callables, for fields that take an argument).
Source: docker/cli command/formatter/formatter.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tuidock.cli import output, tabwriter
from tuidock.cli.command import CannotStart
from tuidock.cli.flags import Flag, text

Row = Mapping[str, Any]

FORMAT_HELP = """Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template."""
INSPECT_FORMAT_HELP = """Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of row is shown: ``titles`` of all fields, the ``columns`` of the plain table."""

    titles: dict[str, str | Callable[..., str]]
    columns: tuple[str, ...]
    quiet: str
    """The field that -q prints."""


def format_flag() -> Flag:
    """``--format`` of a list."""
    return text("format", FORMAT_HELP)


def check_format(source: str, *, of_rows: bool = True) -> None:
    """Refuse a template that does not parse, before the engine opens; CannotStart with Go's reason.

    In one ``of_rows`` a backslash and t or n is a tab or a newline; in one of a document it is what it is.
    """
    if "{{" not in source:
        return
    from tuidock.cli.gotemplate.lexer import TemplateError
    from tuidock.cli.gotemplate.template import Template

    try:
        Template(_unescaped(source) if of_rows else source)
    except TemplateError as error:
        raise CannotStart(f"failed to parse template: {error}") from None


def show(rows: Sequence[Row], layout: Layout, source: str, *, quiet: bool = False) -> None:
    """Write ``rows``: as a table, or by the template ``source`` of ``--format``."""
    if quiet and source in {"", "table"}:
        output.lines([str(row[layout.quiet]) for row in rows])
    else:
        output.text(text_of(rows, layout, source))


def text_of(rows: Sequence[Row], layout: Layout, source: str) -> str:
    """``rows`` as a table, or by the template ``source`` of ``--format``."""
    if source in {"", "table"}:
        header = [str(layout.titles[column]) for column in layout.columns]
        return tabwriter.table([header, *([str(row[c]) for c in layout.columns] for row in rows)])
    return rendered(rows, layout, source)


def rendered(rows: Sequence[Row], layout: Layout, source: str) -> str:
    """``rows`` through a template; a ``table`` prefix adds the titles and aligns the columns."""
    from tuidock.cli.gotemplate.functions import HEADER_FUNCTIONS
    from tuidock.cli.gotemplate.lexer import TemplateError
    from tuidock.cli.gotemplate.template import Template

    with_header = source.startswith("table ")
    body = _unescaped(source.removeprefix("table ").strip() if with_header else source)
    if body == "json":
        body = "{{json .}}"
    template = Template(body)
    try:
        # sorted, as Docker's rows are where a template prints one as JSON
        shown = "".join(f"{template.render(dict(sorted(row.items())))}\n" for row in rows)
        if not with_header:
            return shown
        header = Template(body, HEADER_FUNCTIONS).render(layout.titles)
    except TemplateError as error:
        raise CannotStart(f"failed to execute template: {error}") from None
    return tabwriter.aligned(f"{header}\n{shown}")


def rendered_document(value: Any, source: str, *, of_rows: bool = False) -> str:
    """One document of ``inspect``, ``info`` or ``version`` through ``--format``; see ``check_format``."""
    from tuidock.cli.gotemplate.lexer import TemplateError
    from tuidock.cli.gotemplate.template import Template

    try:
        body = _unescaped(source) if of_rows else source
        return Template("{{json .}}" if source == "json" else body).render(value)
    except TemplateError as error:
        raise CannotStart(f"template parsing error: {error}") from None


def label_title(name: str) -> str:
    """The title of ``{{.Label "com.example.some-name"}}``: ``some name``."""
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")


def natural(name: str) -> list[tuple[int, int, int]]:
    """A key that sorts ``n9`` before ``n10``, as Docker's lists are sorted (fvbommel/sortorder)."""
    import re

    return [
        (ord("0"), int(part), len(part)) if part.isascii() and part.isdigit() else (ord(part), 0, 0)
        for part in re.findall("[0-9]+|[^0-9]", name, re.DOTALL)
    ]


def shortened(value: str, width: int) -> str:
    """``value`` cut to ``width`` characters, the last one an ellipsis."""
    return value if len(value) <= width else f"{value[: width - 1]}…"


def _unescaped(source: str) -> str:
    return source.replace("\\t", "\t").replace("\\n", "\n")
