"""Owns writing copied files into a mounted tree, as COPY does; refuses paths that lead out of it.

The tree is mounted in the worker's own namespace and nobody else changes it. Links of the image are followed
inside the tree only. Source of the rules: BuildKit's file operations (parents 0755, content of folders,
owners replaced by root's unless kept, hard links and xattrs kept).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from engine.build.source import SourceTree
from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 26
_NO_XATTRS = {errno.ENOTSUP, errno.EPERM, errno.ENODATA}
_SKIPPED_XATTRS = ("trusted.overlay.", "user.overlay.", "security.selinux", "system.nfs4")


class Placer:
    """Writes into the tree at ``root``; ``owner`` or ``mode`` None: as the sources have it."""

    def __init__(self, root: str, owner: tuple[int, int] | None, mode: int | None) -> None:
        self._root = SourceTree(root)
        self._owner = owner
        self._mode = mode
        self._links: dict[tuple[int, int], str] = {}

    def prepare(self, destination: str) -> None:
        """Make the folders that ``destination`` needs: itself with a trailing slash, else its parents."""
        folder = destination if destination.endswith("/") else os.path.dirname(destination)
        self.make_folders(folder)

    def make_folders(self, path: str) -> str:
        """Make ``path`` with its parents, mode 0755, where they are missing; returns its host path."""
        here = self._root.root
        resolved = self._root.resolve(path)
        for name in resolved.split("/") if resolved else []:
            here = f"{here}/{name}"
            try:
                os.mkdir(here, 0o755)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(here).st_mode):
                    shown = here.removeprefix(self._root.root)
                    raise InvalidInput("", f"cannot copy to non-directory: {shown}") from None
            else:
                os.chown(here, *(self._owner or (0, 0)))
        return here

    def copy(self, tree: SourceTree, path: str, destination: str) -> None:
        """Copy the file ``path`` to ``destination``, or what the folder ``path`` holds into it."""
        source = tree.resolve(path)
        status = os.lstat(tree.host_path(source))
        if stat.S_ISDIR(status.st_mode):
            target = self.make_folders(destination)
            self._copy_entries(tree, source, target)
            # Docker gives the destination the source's times, but neither its mode nor its owner.
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
            return
        self._copy_one(tree.host_path(source), status, self.file_target(destination, os.path.basename(path)))

    def file_target(self, destination: str, name: str) -> str:
        """The host path of a file called ``name``: inside ``destination`` where that is a folder."""
        self.prepare(destination)
        target = self._root.host_path(self._root.resolve(destination))
        if os.path.isdir(target):
            target = f"{target}/{name}"
        return target

    def write(self, text: str, destination: str, name: str) -> None:
        """Write a here-document as a file, mode 0644."""
        target = self.file_target(destination, name)
        self._clear(target)
        descriptor = os.open(target, _WRITE, 0o600)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(text.encode("utf-8", "surrogateescape"))
            os.fchown(descriptor, *(self._owner or (0, 0)))
            os.fchmod(descriptor, 0o644 if self._mode is None else self._mode)
        finally:
            os.close(descriptor)

    def _copy_entries(self, tree: SourceTree, source: str, target: str) -> None:
        """Without recursion: a tree may be deeper than Python's stack."""
        pending = [(iter(tree.entries(source)), source, target)]
        folders: list[tuple[str, str, os.stat_result]] = []
        while pending:
            entries, source, target = pending[-1]
            entry = next(entries, None)
            if entry is None:
                pending.pop()
                if folders:
                    self._describe(*folders.pop())  # last: filling it changed its times
                continue
            into = f"{target}/{entry.name}"
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                self._copy_one(entry.path, status, into)
                continue
            self._make_folder(into)
            folders.append((entry.path, into, status))
            below = f"{source}/{entry.name}" if source else entry.name
            pending.append((iter(tree.entries(below)), below, into))

    def _make_folder(self, target: str) -> None:
        try:
            os.mkdir(target, 0o755)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(target).st_mode):
                shown = target.removeprefix(self._root.root)
                raise InvalidInput("", f"cannot copy to non-directory: {shown}") from None

    def _copy_one(self, source: str, status: os.stat_result, target: str) -> None:
        self._clear(target)
        kind = stat.S_IFMT(status.st_mode)
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), target)
            if first != target:
                os.link(first, target, follow_symlinks=False)
                return
        if kind == stat.S_IFREG:
            _copy_content(source, target, status.st_size)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(source), target)
        elif kind == stat.S_IFSOCK:
            return  # it means something to the process that listens on it, and nothing in an image
        else:
            os.mknod(target, kind | 0o600, status.st_rdev)
        self._describe(source, target, status)

    def _clear(self, target: str) -> None:
        try:
            os.unlink(target)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            shown = target.removeprefix(self._root.root)
            raise InvalidInput("", f"cannot replace to directory {shown} with file") from None

    def _describe(self, source: str, target: str, status: os.stat_result) -> None:
        owner = (status.st_uid, status.st_gid) if self._owner is None else self._owner
        os.chown(target, *owner, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(target, stat.S_IMODE(status.st_mode) if self._mode is None else self._mode)
        copy_xattrs(source, target)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def copy_xattrs(source: str, target: str) -> None:
    """Give ``target`` the extended attributes of ``source``, but for the kernel's and the host's own."""
    try:
        names = os.listxattr(source, follow_symlinks=False)
    except OSError:
        return
    for name in _kept(names):
        try:
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_XATTRS:
                raise


def _kept(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(_SKIPPED_XATTRS)]


def _copy_content(source: str, target: str, size: int) -> None:
    reading = os.open(source, _READ)
    try:
        writing = os.open(target, _WRITE, 0o600)
        try:
            _send(reading, writing, size)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _send(reading: int, writing: int, size: int) -> None:
    """All bytes of ``reading``, in the kernel: shared where the file system can, else copied."""
    shared = True
    while True:
        try:
            count = (
                os.copy_file_range(reading, writing, min(max(size, 1), _CHUNK))
                if shared
                else os.sendfile(writing, reading, None, _CHUNK)
            )
        except OSError as error:
            if not shared or error.errno not in {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
            shared = False
            continue
        if not count:
            return
