"""Owns what ``logs --details`` says of a container: the labels and variables that its log options name.

Source: moby daemon/logger/loginfo.go (ExtraAttributes) and daemon/logger/templates for the tag.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from tuidock.cli.command import CannotStart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.records import Container


def details(container: Container) -> bytes:
    """What stands before each line: ``name=value`` of each, sorted, and in any case a space."""
    options = container.options.log_opts
    variables = dict(pair.split("=", 1) for pair in container.config.env if "=" in pair)
    found = {
        **_chosen(container.config.labels, options.get("labels"), options.get("labels-regex")),
        **_chosen(variables, options.get("env"), options.get("env-regex")),
    }
    if options.get("tag"):
        found["tag"] = _tag(options["tag"], container)
    pairs = (f"{quote_plus(name)}={quote_plus(value)}" for name, value in sorted(found.items()))
    return f"{','.join(pairs)} ".encode()


def _chosen(given: Mapping[str, str], names: str | None, expression: str | None) -> dict[str, str]:
    wanted = set((names or "").split(","))
    return {
        name: value
        for name, value in given.items()
        if name in wanted or (expression and re.search(expression, name))
    }


def _tag(source: str, container: Container) -> str:
    from tuidock.cli.gotemplate.lexer import TemplateError
    from tuidock.cli.gotemplate.template import Template

    fields = {
        "ID": container.id[:12],
        "FullID": container.id,
        "Name": container.name,
        "ImageID": container.image_id.removeprefix("sha256:")[:12],
        "ImageFullID": container.image_id,
        "ImageName": container.image,
        "DaemonName": "tuidock",
        "Command": " ".join(container.command_line),
    }
    try:
        return Template(source).render(fields)
    except TemplateError as error:
        raise CannotStart(f"the log option tag cannot be shown: {error}") from None
