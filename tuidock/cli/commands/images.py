"""Owns the verbs of images in the store: images, rmi, tag, history, bootstrap."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.errors import EngineError, NotFound
from engine.options import BootstrapOptions, ImageFilter, RemoveImageOptions
from tuidock.cli import diagnostics, image_rows, listing, output
from tuidock.cli.command import Command, Invocation
from tuidock.cli.flags import many, switch, text
from tuidock.cli.progress import reporting
from tuidock.cli.specs import scalars

if TYPE_CHECKING:
    from engine.engine import Engine


def _check_format(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


async def _list(engine: Engine, invocation: Invocation) -> int:
    wanted = ImageFilter(
        all=invocation.switch("all"),
        reference=next(iter(invocation.arguments), None),
        filters=invocation.filters(),
    )
    images = await engine.images.list(wanted)
    layout = image_rows.LAYOUT_WITH_DIGESTS if invocation.switch("digests") else image_rows.LAYOUT
    digests = invocation.switch("digests") or ".Digest" in invocation.text("format")
    truncate = not invocation.switch("no-trunc")
    rows = image_rows.rows(images, time.time_ns(), truncate=truncate, digests=digests)
    listing.show(list(rows), layout, invocation.text("format"), quiet=invocation.switch("quiet"))
    return 0


async def _remove(engine: Engine, invocation: Invocation) -> int:
    options = RemoveImageOptions(
        force=invocation.switch("force"), prune_parents=not invocation.switch("no-prune")
    )
    code = 0
    for name in invocation.arguments:
        try:
            removed = await engine.images.remove(name, options)
        except NotFound as error:
            diagnostics.engine_error(error)
            code = code if options.force else diagnostics.FAILED
        except EngineError as error:
            diagnostics.engine_error(error)
            code = diagnostics.FAILED
        else:
            output.lines([f"Untagged: {name}" for name in removed.untagged])
            output.lines([f"Deleted: {identity}" for identity in removed.deleted])
    return code


async def _tag(engine: Engine, invocation: Invocation) -> int:
    await engine.images.tag(*invocation.arguments)
    return 0


async def _history(engine: Engine, invocation: Invocation) -> int:
    entries = await engine.images.history(invocation.arguments[0])
    now, truncate = time.time_ns(), not invocation.switch("no-trunc")
    rows = [
        image_rows.history_row(entry, now, truncate=truncate, human=invocation.switch("human"))
        for entry in entries
    ]
    listing.show(rows, image_rows.HISTORY_LAYOUT, invocation.text("format"), quiet=invocation.switch("quiet"))
    return 0


async def _bootstrap(engine: Engine, invocation: Invocation) -> int:
    options = BootstrapOptions(
        name=invocation.arguments[0],
        tag=invocation.optional("tag"),
        host_ca=invocation.switch("host-ca"),
    )
    async with reporting("quiet" if invocation.switch("quiet") else "auto") as progress:
        image = await engine.images.bootstrap(options, progress)
    output.line(image.id if invocation.switch("quiet") else f"Made image: {', '.join(image.names)}")
    return 0


LIST = Command(
    usage="[OPTIONS] [REPOSITORY[:TAG]]",
    run=_list,
    flags=(
        switch("all", "Show all images (default hides intermediate images)", "a"),
        switch("digests", "Show digests"),
        many(
            "filter",
            "Filter output based on conditions provided",
            "f",
            kind="filter",
            convert=scalars.key_value_filter,
        ),
        listing.format_flag(),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only show image IDs", "q"),
    ),
    most=1,
    check=_check_format,
)
REMOVE = Command(
    usage="[OPTIONS] IMAGE [IMAGE...]",
    run=_remove,
    flags=(
        switch("force", "Force removal of the image", "f"),
        switch("no-prune", "Do not delete untagged parents"),
    ),
    fewest=1,
    most=None,
)
TAG = Command(usage="SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", run=_tag, fewest=2, most=2)
HISTORY = Command(
    usage="[OPTIONS] IMAGE",
    run=_history,
    flags=(
        listing.format_flag(),
        switch("human", "Print sizes and dates in human readable format", "H", default=True),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only show image IDs", "q"),
    ),
    fewest=1,
    most=1,
    check=_check_format,
)
BOOTSTRAP = Command(
    usage="[OPTIONS] hello-world | busybox | debian:SUITE | ubuntu:SUITE",
    run=_bootstrap,
    flags=(
        switch("host-ca", "Put the certificate authorities that this machine trusts into the image"),
        switch("quiet", "Suppress the progress output and print the image ID", "q"),
        text("tag", 'Name of the image in the "name:tag" format (default: what it is)', "t"),
    ),
    fewest=1,
    most=1,
)
