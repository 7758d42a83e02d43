"""Owns the flags of how a container's output is kept; the engine knows the drivers and their options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli import listing
from tuidock.cli.flags import many, text

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

FLAGS = (
    text("log-driver", "Logging driver for the container (json-file, local, none)"),
    many("log-opt", "Log driver options (max-size, max-file, labels, env, ...)"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    pairs = (option.partition("=") for option in invocation.many("log-opt"))
    options = {name: value for name, _, value in pairs}
    if "tag" in options:
        listing.check_format(options["tag"])
    return {"log_driver": invocation.text("log-driver"), "log_opts": options}
