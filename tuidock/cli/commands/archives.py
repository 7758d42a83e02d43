"""Owns the verbs that read and write archives: load, save, import, export."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.options import ImportOptions, LoadOptions, SaveOptions
from tuidock.cli import diagnostics, output
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.flags import many, switch, text
from tuidock.cli.progress import reporting

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.engine import Engine

_STDIN, _STDOUT = 0, 1


def _one_of(*choices: str) -> Callable[[str], str]:
    def convert(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return convert


async def _load(engine: Engine, invocation: Invocation) -> int:
    path = invocation.optional("input")
    if path is None and os.isatty(_STDIN):
        return diagnostics.problem("requested load from stdin, but stdin is empty")
    options = LoadOptions(path=path) if path is not None else LoadOptions(fd=_STDIN)
    quiet = invocation.switch("quiet")
    async with reporting("quiet" if quiet else "auto") as progress:
        images = await engine.images.load(options, progress)
    for image in images:
        if image.names:
            output.lines([f"Loaded image: {name}" for name in image.names])
        else:
            output.line(f"Loaded image ID: {image.id}")
    return 0


async def _save(engine: Engine, invocation: Invocation) -> int:
    path = invocation.optional("output")
    options = SaveOptions(
        references=invocation.arguments,
        path=path,
        fd=None if path is not None else _STDOUT,
        format=invocation.text("format"),
        compression=invocation.text("compression"),
    )
    async with reporting("quiet") as progress:
        await engine.images.save(options, progress)
    return 0


def _check_source(invocation: Invocation) -> None:
    source = invocation.arguments[0]
    if source.startswith(("http://", "https://")):
        raise CannotStart(f"import from a URL is not supported: fetch {source} first")
    if source != "-" and not os.path.exists(source):
        raise CannotStart(f"open {source}: no such file or directory")


def _check_output(invocation: Invocation) -> None:
    path = invocation.optional("output")
    if path is None and output.is_terminal():
        raise CannotStart("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    if path is not None and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise CannotStart(f'invalid output path: directory "{os.path.dirname(path)}" does not exist')


async def _import(engine: Engine, invocation: Invocation) -> int:
    source, *reference = invocation.arguments
    from_stdin = source == "-"
    options = ImportOptions(
        path=None if from_stdin else source,
        fd=_STDIN if from_stdin else None,
        reference=reference[0] if reference else None,
        message=invocation.text("message"),
        changes=invocation.many("change"),
        platform=invocation.filled("platform"),
    )
    async with reporting("quiet") as progress:
        image = await engine.images.import_(options, progress)
    output.line(image.id)
    return 0


async def _export(engine: Engine, invocation: Invocation) -> int:
    path = invocation.optional("output")
    await engine.containers.export(invocation.arguments[0], _STDOUT if path is None else None, path)
    return 0


LOAD = Command(
    usage="[OPTIONS]",
    run=_load,
    flags=(
        text("input", "Read from tar archive file, instead of STDIN", "i"),
        switch("quiet", "Suppress the load output", "q"),
    ),
)
SAVE = Command(
    usage="[OPTIONS] IMAGE [IMAGE...]",
    run=_save,
    flags=(
        text(
            "compression",
            "Compress the archive (none, gzip, zstd)",
            default="none",
            convert=_one_of("none", "gzip", "zstd"),
        ),
        text(
            "format", "Form of the archive (docker, oci)", default="docker", convert=_one_of("docker", "oci")
        ),
        text("output", "Write to a file, instead of STDOUT", "o"),
    ),
    fewest=1,
    most=None,
    check=_check_output,
)
IMPORT = Command(
    usage="[OPTIONS] file|- [REPOSITORY[:TAG]]",
    run=_import,
    check=_check_source,
    flags=(
        many("change", "Apply Dockerfile instruction to the created image", "c"),
        text("message", "Set commit message for imported image", "m"),
        text("platform", "Set the platform of the image"),
    ),
    fewest=1,
    most=2,
)
EXPORT = Command(
    usage="[OPTIONS] CONTAINER",
    run=_export,
    flags=(text("output", "Write to a file, instead of STDOUT", "o"),),
    fewest=1,
    most=1,
    check=_check_output,
)
