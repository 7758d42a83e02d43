"""Owns ``build``: its flags, where its context comes from, and what it prints at the end."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from engine.errors import BuildFailed
from engine.options import BuildOptions
from tuidock.cli import diagnostics, output
from tuidock.cli.command import CannotStart, Command, Invocation, SpecError
from tuidock.cli.flags import many, switch, text
from tuidock.cli.progress import reporting
from tuidock.cli.specs import variables

if TYPE_CHECKING:
    from engine.engine import Engine

_STDIN = 0
_COPY_SIZE = 1 << 20
_URL_PREFIXES = ("http://", "https://", "git://", "git@", "github.com/", "ssh://")
_ARCHIVE_MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257


def _progress_kind(value: str) -> str:
    if value not in {"auto", "plain", "tty", "quiet"}:
        raise ValueError("must be auto, plain, tty or quiet")
    return value


def _check(invocation: Invocation) -> None:
    context, dockerfile = invocation.arguments[0], invocation.optional("file")
    if context.startswith(_URL_PREFIXES):
        raise CannotStart(f"{context}: a context at a URL is not supported: clone or download it first")
    if context == "-" and dockerfile == "-":
        raise CannotStart("invalid argument: can't use stdin for both build context and dockerfile")
    if context != "-" and not os.path.isdir(context):
        what = "is not a directory" if os.path.exists(context) else "not found"
        raise CannotStart(f'unable to prepare context: path "{context}" {what}')
    _build_args(invocation)


def _build_args(invocation: Invocation) -> dict[str, str]:
    try:
        pairs = variables.environment((), invocation.many("build-arg"), os.environ)
    except ValueError as error:
        raise SpecError(str(error)) from None
    return dict(pair.split("=", 1) for pair in pairs)


async def _build(engine: Engine, invocation: Invocation) -> int:
    options = _options(invocation)
    quiet = invocation.switch("quiet")
    _forget_last(invocation.text("iidfile"))
    try:
        async with reporting("quiet" if quiet else invocation.text("progress")) as progress:
            result = await engine.builds.build(options, progress)
    except BuildFailed as error:
        return diagnostics.failed_build(error, _readable(options))
    _write_id(invocation.text("iidfile"), result.image_id)
    if quiet:
        output.line(result.image_id)
    return 0


def _readable(options: BuildOptions) -> str | None:
    """Where the Dockerfile can be read again; None if it came through a pipe."""
    if options.dockerfile_text is not None or options.context is None:
        return None
    return options.dockerfile or os.path.join(options.context, "Dockerfile")


def _forget_last(iidfile: str) -> None:
    """A build that fails must not leave the last one's id."""
    if iidfile and os.path.lexists(iidfile):
        os.unlink(iidfile)


def _write_id(iidfile: str, image_id: str) -> None:
    if iidfile:
        with open(iidfile, "w", encoding="ascii") as file:
            file.write(image_id)


def _options(invocation: Invocation) -> BuildOptions:
    context: str | None = invocation.arguments[0]
    dockerfile = invocation.optional("file")
    dockerfile_text: str | None = None
    context_fd: int | None = None
    if dockerfile == "-":
        dockerfile, dockerfile_text = None, sys.stdin.buffer.read().decode(errors="surrogateescape")
    if context == "-":
        context = None
        context_fd, dockerfile_text = _stdin_context()
    return BuildOptions(
        context=context,
        context_fd=context_fd,
        dockerfile=dockerfile,
        dockerfile_text=dockerfile_text,
        tags=invocation.many("tag"),
        build_args=_build_args(invocation),
        labels=variables.mapping((), invocation.many("label")),
        target=invocation.optional("target"),
        no_cache=invocation.switch("no-cache"),
        pull=invocation.switch("pull"),
        network=_network(invocation.text("network")),
        platform=invocation.optional("platform"),
    )


def _network(name: str) -> str:
    return "bridge" if name in {"", "default"} else name


def _stdin_context() -> tuple[int | None, str | None]:
    """A descriptor that holds the archive on standard input, or the Dockerfile that was there instead."""
    if os.isatty(_STDIN):
        diagnostics.line("reading the Dockerfile from the terminal: end it with ctrl-d")
    head = sys.stdin.buffer.read(_TAR_MAGIC_AT + len(_TAR_MAGIC))
    if not head.startswith(_ARCHIVE_MAGICS) and head[_TAR_MAGIC_AT:] != _TAR_MAGIC:
        return None, (head + sys.stdin.buffer.read()).decode(errors="surrogateescape")
    # a pipe cannot be wound back to what was looked at: keep the archive in an unnamed file
    spool = os.open(os.environ.get("TMPDIR", "/var/tmp"), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)  # noqa: S108 - unnamed
    chunk = head
    while chunk:
        view = memoryview(chunk)
        while view:
            view = view[os.write(spool, view) :]
        chunk = sys.stdin.buffer.read(_COPY_SIZE)
    os.lseek(spool, 0, os.SEEK_SET)
    return spool, None


BUILD = Command(
    usage="[OPTIONS] PATH | -",
    run=_build,
    flags=(
        many("build-arg", "Set build-time variables", convert=variables.environment_variable),
        text("file", 'Name of the Dockerfile (Default is "PATH/Dockerfile")', "f"),
        text("iidfile", "Write the image ID to the file"),
        many("label", "Set metadata for an image", convert=variables.label),
        text(
            "network",
            "Set the networking mode for the RUN instructions during build",
            default="default",
        ),
        switch("no-cache", "Do not use cache when building the image"),
        text(
            "platform",
            "Build for this platform, or refuse if the machine is of another (os[/arch[/variant]])",
        ),
        text(
            "progress",
            "Set type of progress output (auto, plain, tty, quiet)",
            default="auto",
            convert=_progress_kind,
        ),
        switch("pull", "Always attempt to pull a newer version of the image"),
        switch("quiet", "Suppress the build output and print image ID on success", "q"),
        many("tag", 'Name and optionally a tag in the "name:tag" format', "t"),
        text("target", "Set the target build stage to build."),
    ),
    fewest=1,
    most=1,
    check=_check,
)
