"""Owns the build context: which folder, which Dockerfile, which .dockerignore; its checksums in a worker.

A context folder is read where it lies, never copied as a whole. A tar on stdin is unpacked into staging;
it is somebody else's, and its links lead nowhere but into it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

import msgspec

from engine.build.source import context_tree
from engine.dockerfile.ignore import read_patterns
from engine.errors import DockerfileSyntaxError, InvalidInput
from engine.shim import linux

if TYPE_CHECKING:
    from engine.options import BuildOptions
    from engine.runtime.launcher import Launcher

_DOCKERFILE = "Dockerfile"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Where COPY reads from, and the Dockerfile's text; ``shown`` is the path that errors name."""

    folder: str
    ignore: tuple[str, ...]
    text: str
    shown: str


async def open_context(options: BuildOptions, launcher: Launcher, staging: str) -> Context:
    """Find everything that ``options`` name; a tar or nothing on stdin gets a folder below ``staging``."""
    if options.context is None:
        folder = f"{staging}/context"
        os.mkdir(folder, 0o755)
        if options.context_fd is not None:
            await _unpack(launcher, folder, options.context_fd)
    else:
        folder = _existing_folder(options.context)
    root = folder if options.context is None else ""
    if options.dockerfile_text is not None:
        path, shown = "", _DOCKERFILE
        text = _text(options.dockerfile_text.encode(errors="surrogateescape"), shown)
    else:
        path = _dockerfile_path(options, folder)
        # A tar's folder is ours, not something that anybody typed.
        shown = os.path.relpath(path, folder) if options.context is None else _shown(path)
        text = await _read(path, shown, root, pipe=options.dockerfile is not None)
    ignore = await _ignore_patterns(path, folder, root)
    return Context(folder=folder, ignore=ignore, text=text, shown=shown)


def _existing_folder(path: str) -> str:
    if not os.path.isdir(path):
        raise InvalidInput(
            "unable to prepare context",
            f'"{path}" is not a directory' if os.path.exists(path) else f'path "{path}" not found',
            remedy="the last argument of build is the folder with the files to copy; often it is .",
        )
    return os.path.abspath(path)


def _dockerfile_path(options: BuildOptions, folder: str) -> str:
    if options.dockerfile is None:
        return f"{folder}/{_DOCKERFILE}"
    if options.context is None:
        return os.path.join(folder, options.dockerfile)
    return os.path.abspath(options.dockerfile)


async def _read(path: str, shown: str, root: str, *, pipe: bool) -> str:
    try:
        content = await _content(path, root, pipe=pipe)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInput(
            "failed to read dockerfile",
            f"open {shown}: no such file",
            remedy="create it, or name it with -f",
        ) from error
    except OSError as error:
        raise InvalidInput("failed to read dockerfile", f"open {shown}: {error.strerror}") from error
    return _text(content, shown)


async def _content(path: str, root: str, *, pipe: bool = False) -> bytes:
    """All of a plain file; with ``root`` every link on the way is followed inside that folder only.

    ``pipe``: outside of a root one may be read as well, as ``-f <(command)`` of a shell gives it.
    """
    import aiofiles

    descriptor = _opened(path, root)
    async with aiofiles.open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode) and not (pipe and not root and stat.S_ISFIFO(mode)):
            raise OSError(errno.EINVAL, "not a regular file")
        os.set_blocking(descriptor, True)
        return await file.read()


def _opened(path: str, root: str) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a FIFO would wait for its writer
    if not root:
        return os.open(path, flags)
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        inside = linux.RESOLVE_IN_ROOT | linux.RESOLVE_NO_MAGICLINKS
        return linux.openat2(folder, os.path.relpath(path, root), flags, inside)
    finally:
        os.close(folder)


def _text(content: bytes, shown: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DockerfileSyntaxError("this line is not UTF-8 text", path=shown, line=line) from error


def _shown(path: str) -> str:
    """Relative to the current folder where that is shorter: what people typed."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") or path == f"/{relative}" else relative


async def _ignore_patterns(dockerfile: str, folder: str, root: str) -> tuple[str, ...]:
    candidates = [f"{folder}/.dockerignore"]
    if dockerfile:
        candidates.insert(0, f"{dockerfile}.dockerignore")
    for candidate in candidates:
        try:
            return read_patterns((await _content(candidate, root)).decode())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InvalidInput("failed to read .dockerignore", error.strerror or str(error)) from error
        except UnicodeDecodeError as error:
            raise InvalidInput("failed to read .dockerignore", "it is not UTF-8 text") from error
    return ()


async def _unpack(launcher: Launcher, folder: str, descriptor: int) -> None:
    arguments = {"target": folder, "subject": "build context", "whiteouts": False}
    await launcher.work("engine.layer.extract:extract", arguments, fds=(descriptor,))


def checksums(arguments: dict[str, Any], fds: list[int]) -> list[dict[str, str]]:  # noqa: ARG001 - a worker's
    """Worker: for each of ``selections`` (lists of sources) its ``digest``, or the ``missing`` source."""
    tree = context_tree(arguments)
    found: list[dict[str, str]] = []
    for sources in arguments["selections"]:
        try:
            found.append({"digest": tree.checksum(tuple(sources))})
        except FileNotFoundError as error:
            found.append({"missing": str(error)})
    return found
