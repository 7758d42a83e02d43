"""Owns the flags that describe a container, and CreateOptions from their values; refuses every other flag.

Each module of this package has a part of them: ``FLAGS``, and ``given``, which makes fields of CreateOptions.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.options import CreateOptions
from tuidock.cli.command import SpecError
from tuidock.cli.container_options import (
    devices,
    files,
    logging,
    namespaces,
    networking,
    resources,
    security,
    supervision,
)
from tuidock.cli.flags import Flag, many, switch, text
from tuidock.cli.specs import variables

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

_PARTS = (devices, files, logging, namespaces, networking, resources, security, supervision)
_OWN = (
    text("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    many("env", "Set environment variables", "e", convert=variables.environment_variable),
    many("env-file", "Read in a file of environment variables"),
    switch("interactive", "Keep STDIN open even if not attached", "i"),
    many("label", "Set meta data on a container", "l", convert=variables.label),
    many("label-file", "Read in a line delimited file of labels"),
    text("name", "Assign a name to the container"),
    text("platform", "Refuse an image that is not for this platform (os[/arch[/variant]])"),
    switch("tty", "Allocate a pseudo-TTY", "t"),
    text("workdir", "Working directory inside the container", "w"),
)
CONTAINER_FLAGS: tuple[Flag, ...] = tuple(
    sorted((*_OWN, *(flag for part in _PARTS for flag in part.FLAGS)), key=lambda flag: flag.name)
)


def create_options(invocation: Invocation) -> CreateOptions:
    """What the command line asks for; SpecError names a value that cannot be used."""
    image, *command = invocation.arguments
    if not image:
        raise SpecError("invalid reference format")
    parts = {name: value for part in _PARTS for name, value in part.given(invocation).items()}
    return CreateOptions(
        image=image,
        command=tuple(command) or None,
        entrypoint=_entrypoint(invocation),
        name=invocation.filled("name"),
        working_dir=invocation.filled("workdir"),
        env=_environment(invocation),
        labels=_labels(invocation),
        tty=invocation.switch("tty"),
        stdin_open=invocation.switch("interactive"),
        platform=invocation.filled("platform"),
        **parts,
    )


def _entrypoint(invocation: Invocation) -> tuple[str, ...] | None:
    word = invocation.optional("entrypoint")
    if word is None:
        return None
    return (word,) if word else ()


def _environment(invocation: Invocation) -> tuple[str, ...]:
    files, pairs = invocation.many("env-file"), invocation.many("env")
    try:
        return variables.environment(files, pairs, os.environ)
    except ValueError as error:
        raise SpecError(str(error)) from None


def _labels(invocation: Invocation) -> dict[str, str]:
    files, pairs = invocation.many("label-file"), invocation.many("label")
    try:
        return variables.mapping(files, pairs)
    except ValueError as error:
        raise SpecError(str(error)) from None
