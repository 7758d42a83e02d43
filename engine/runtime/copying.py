"""Owns ``cp`` in a worker: packs one side, unpacks on the other, both by open directories.

Between two folders a second process packs into a pipe and this one unpacks: memory is bounded, and both
use a processor. Words and rules are Docker's: moby daemon/archive_unix.go, docker/cli container/cp.go.
Refuses to choose a container, and to run anything of it.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from engine.errors import EngineError, InvalidArchive, InvalidInput, NotFound, StoreFailure
from engine.layer import copy_paths
from engine.layer.compression import Decompressed
from engine.layer.copy_paths import Destination, Source
from engine.layer.live import LiveTree
from engine.layer.sink import written
from engine.layer.tar_reader import TarReader
from engine.layer.tar_sparse import SparseTarWriter
from engine.layer.tar_writer import TreeTarWriter
from engine.layer.tree import raise_open_files
from engine.runtime.container_view import Scope, is_read_only, open_container
from engine.runtime.packing import write_resource
from engine.runtime.session import to_error
from engine.shim.piping import Writer
from engine.shim.worker import report

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK = 1 << 20
_REPORT_BYTES = 16 << 20
_MOST_LINKS = 10


def copy_from(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Worker: copy ``path`` of the container to the host's ``target``; "" writes a tar to ``fds[0]``.

    Paths are in latin-1, a character a byte. Returns ``{"size"}``, the bytes of the archive.
    """
    raise_open_files()
    scope = open_container(arguments["view"], writable=False)
    path = copy_paths.inside(_text(arguments["path"]))
    source = _container_source(scope, path, arguments)
    if not arguments["target"]:
        with written(fds[0]) as out:
            counted = Counted(out)
            _pack(TreeTarWriter(cast("BinaryIO", counted)), scope, source.path, _archive_name(source))
        return {"size": counted.size}
    destination = local_destination(_text(arguments["target"]))
    folder, name = copy_paths.placed(source, destination)
    into = os.open(folder, _FOLDER)
    owners = arguments["archive"] and os.geteuid() == 0
    tree = LiveTree(into, folder, owners=owners)
    return _through_pipe(lambda out: _pack(SparseTarWriter(out), scope, source.path, name), tree)


def copy_to(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Worker: copy the host's ``source`` to ``path`` of the container; "" reads a tar from ``fds[0]``."""
    raise_open_files()
    os.umask(0o022)
    scope = open_container(arguments["view"], writable=True)
    destination = _container_destination(scope, _text(arguments["path"]))
    if arguments["source"]:
        local = local_source(_text(arguments["source"]), follow=arguments["follow_link"])
        folder, name = copy_paths.placed(local, destination)
    else:
        folder = destination.path
        if not destination.is_folder:
            shown = f"{arguments['name']}:{_text(arguments['path'])}"
            raise InvalidInput("", f'destination "{shown}" must be a directory')
    tree = _extraction_point(scope, folder, arguments)
    if not arguments["source"]:
        with open(os.dup(fds[0]), "rb", buffering=0) as plain:
            scope.become_root()
            return {"size": _unpack(plain, tree)}
    here = Scope(os.open("/", _FOLDER))
    return _through_pipe(
        lambda out: _pack(SparseTarWriter(out), here, local.path, name), tree, scope.become_root
    )


def local_source(path: str, *, follow: bool) -> Source:
    """The host's ``path`` as a source; ``follow`` its last name too. NotFound in Docker's words."""
    try:
        if follow:
            source = copy_paths.renamed(path, os.path.realpath(path, strict=True))
        else:
            folder, name = os.path.split(path)
            found = os.path.join(os.path.realpath(folder, strict=True), name)
            rename = copy_paths.base(path)
            renames = path.endswith("/") and rename != copy_paths.base(found)
            source = Source(path=found, is_folder=False, rename=rename if renames else "")
        status = os.lstat(source.path)
    except OSError as error:
        shown = os.fsdecode(error.filename or path)
        raise InvalidInput("", f"lstat {shown}: {_words(error)}") from error
    link = stat.S_ISLNK(status.st_mode)
    if copy_paths.asserts_folder(path) and not link and not stat.S_ISDIR(status.st_mode):
        raise InvalidInput("", f"lstat {path}: not a directory")
    return Source(path=source.path, is_folder=stat.S_ISDIR(status.st_mode), rename=source.rename)


def local_destination(path: str) -> Destination:
    """The host's ``path`` as a destination, its last name followed; its folder must be there."""
    folder = copy_paths.split(path)[0]
    if not os.path.isdir(folder):
        raise InvalidInput("", f'invalid output path: directory "{folder}" does not exist')
    found = path
    for _ in range(_MOST_LINKS):
        if not os.path.islink(found):
            break
        found = os.path.join(copy_paths.split(found)[0], os.readlink(found))
    else:
        raise InvalidInput("", f"too many symlinks in {path}")
    try:
        status = os.lstat(found)
    except (FileNotFoundError, NotADirectoryError):
        return Destination(path=found)
    if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
        kind = "a device" if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode) else "another file"
        raise InvalidInput(
            "", f'invalid output path: "{path}" must be a directory or a regular file: got {kind}'
        )
    return Destination(path=found, exists=True, is_folder=stat.S_ISDIR(status.st_mode))


# -- the container's side -----------------------------------------------------------------------
def _container_source(scope: Scope, path: str, arguments: dict[str, Any]) -> Source:
    try:
        status = scope.status(path)
        rename = ""
        if arguments["follow_link"] and stat.S_ISLNK(status.st_mode):
            found = copy_paths.renamed(path, scope.target(path))
            path, rename = found.path, found.rename
            status = scope.status(path)
    except (FileNotFoundError, PermissionError) as error:
        raise _missing(path, arguments["name"]) from error
    except OSError as error:
        raise InvalidInput("", f"lstat {path}: {_words(error)}") from error
    return Source(path=path, is_folder=stat.S_ISDIR(status.st_mode), rename=rename)


def _container_destination(scope: Scope, path: str) -> Destination:
    if not path:
        return Destination(path=path)
    inside = copy_paths.inside(path)
    try:
        status = scope.status(inside)
        if stat.S_ISLNK(status.st_mode):
            path = scope.target(inside)
            status = scope.status(path)
    except OSError:
        return Destination(path=path)
    kind = stat.S_IFMT(status.st_mode)
    if kind in {stat.S_IFCHR, stat.S_IFBLK}:
        raise InvalidInput("", f'destination "{path}" must be a directory or a regular file: got a device')
    return Destination(path=path, exists=True, is_folder=kind == stat.S_IFDIR)


def _extraction_point(scope: Scope, folder: str, arguments: dict[str, Any]) -> LiveTree:
    try:
        into = scope.open(copy_paths.inside(folder), os.O_PATH)
    except OSError as error:
        raise _missing(folder, arguments["name"]) from error
    if not stat.S_ISDIR(os.fstat(into).st_mode):
        raise InvalidInput("", "extraction point is not a directory")
    here = scope.where(into)
    refusal = is_read_only(here, arguments["mounts"], root_read_only=arguments["read_only"])
    if refusal:
        raise InvalidInput("", refusal)
    return LiveTree(into, copy_paths.clean(f"/{folder}"), scope=(scope.root, here))


def _missing(path: str, container: str) -> NotFound:
    error = NotFound("file", path)
    error.message = f"Could not find the file {path} in container {container}"
    error.args = (error.message,)
    return error


# -- streams ------------------------------------------------------------------------------------
class Counted(io.RawIOBase):
    """A raw stream that counts the bytes, and tells them as progress."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self._inner = inner
        self._told = 0
        self.size = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._inner.readinto(buffer) or 0)
        self._count(count)
        return count

    def write(self, content: Any) -> int:
        view = memoryview(content)
        size = len(view)
        while view:
            view = view[self._inner.write(view) :]
        self._count(size)
        return size

    def _count(self, count: int) -> None:
        self.size += count
        if self.size - self._told >= _REPORT_BYTES:
            self._told = self.size
            report({"phase": "copy", "done": self.size})


def _pack(writer: TreeTarWriter, scope: Scope, path: str, name: str) -> None:
    scope.become_root()
    write_resource(writer, scope, path, os.fsencode(name))
    writer.finish()


def _unpack(raw: BinaryIO | io.RawIOBase, tree: LiveTree) -> int:
    counted = Counted(raw)
    outer = io.BufferedReader(counted, _CHUNK)
    plain = Decompressed(cast("Any", outer), "the archive")
    reader = TarReader(cast("Any", io.BufferedReader(plain, _CHUNK)), "the archive")
    try:
        for entry in reader:
            tree.put(entry, reader)
        tree.finish()
        reader.drain()
    except OSError as error:
        raise _failure(error) from error
    finally:
        tree.close()
    return counted.size


def _through_pipe(
    pack: Callable[[BinaryIO], None], tree: LiveTree, become: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Another process packs into a pipe, and this one fills ``tree`` from it, after ``become``."""

    def write(descriptor: int) -> None:
        try:
            with open(descriptor, "wb", _CHUNK) as out:
                pack(out)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _failure(error) from error

    writer = Writer(write)
    if become is not None:
        become()
    failure: EngineError | None = None
    size = 0
    try:
        with open(writer.reading, "rb", buffering=0) as raw:
            size = _unpack(raw, tree)
    except EngineError as error:
        failure = error
    body = writer.end()
    if body and (failure is None or isinstance(failure, InvalidArchive)):
        raise to_error(body)  # the archive was cut because its writer failed
    if failure is not None:
        raise failure
    return {"size": size}


def _failure(error: OSError) -> EngineError:
    path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "the copy"
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    remedy = "free some space there" if full else ""
    return StoreFailure(path, _words(error), remedy=remedy)


def _archive_name(source: Source) -> str:
    return source.rename or copy_paths.base(source.path)


def _text(encoded: str) -> str:
    return os.fsdecode(encoded.encode("latin-1"))


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
