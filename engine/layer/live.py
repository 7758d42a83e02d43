"""Owns putting a tar's entries into a tree that lives: merged with what is there, while others change it.

Links below the destination are followed only inside ``scope``, by openat2(2), so that a container that swaps
folders for links meanwhile leads nowhere but into itself. A mount point is never unlinked. Source of the
rules and words: moby/go-archive Unpack with NoOverwriteDirNonDir. Refuses whiteouts: a name is a name.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from engine.errors import InvalidInput
from engine.layer.place import Names, Tree
from engine.layer.tree import OPEN_FOLDER, set_xattrs
from engine.shim import beneath, linux

if TYPE_CHECKING:
    from engine.layer.tar_reader import Entry, TarReader

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


class LiveTree(Tree):
    """The open directory ``root``, called ``shown`` in errors, being filled from an archive.

    ``scope`` is the open root directory and the path of ``root`` in it, for links in the middle of names;
    without it they are refused. Without ``owners`` what is made belongs to this process's user.
    """

    def __init__(
        self, root: int, shown: str, *, scope: tuple[int, str] | None = None, owners: bool = True
    ) -> None:
        super().__init__(root, shown, whiteouts=False)
        self._shown = shown
        self._scope = scope
        self._owners = owners

    def put(self, entry: Entry, reader: TarReader) -> None:
        """Put one entry in place; InvalidInput where a folder would give way to a file, or a file to one."""
        names = self._names(entry.name)
        if not names:
            return  # the destination keeps its own attributes
        try:
            self._check(names, entry)
            self._put(names, entry, reader)
        except OSError as error:
            if error.errno is None:
                raise
            path = f"{self._shown.rstrip('/')}/{os.fsdecode(b'/'.join(names))}"
            raise OSError(error.errno, os.strerror(error.errno), path) from error
        self.count += 1

    def finish(self) -> None:
        """Set the times of the directories that entries described; close all."""
        self.implied.clear()
        super().finish()

    def _check(self, names: Names, entry: Entry) -> None:
        try:
            status = os.stat(names[-1], dir_fd=self._open(names[:-1]), follow_symlinks=False)
        except FileNotFoundError:
            return
        folder = stat.S_ISDIR(status.st_mode)
        if folder == (entry.type == "5"):
            return
        path = f"{self._shown.rstrip('/')}/{os.fsdecode(b'/'.join(names))}"
        old, new = ("directory", "non-directory") if folder else ("non-directory", "directory")
        raise InvalidInput("", f'cannot overwrite {old} "{path}" with {new} "{self._shown}"')

    def _clear(self, folder: int, names: Names) -> None:
        try:
            found = linux.openat2(
                folder, os.fsdecode(names[-1]), os.O_PATH | os.O_NOFOLLOW, linux.RESOLVE_NO_XDEV
            )
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno == errno.EXDEV:  # unlinking it from here would unmount it in the container
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from error
            raise
        os.close(found)
        os.unlink(names[-1], dir_fd=folder)

    def _set_attributes(self, descriptor: int, entry: Entry) -> None:
        if self._owners:
            os.fchown(descriptor, entry.uid, entry.gid)
        os.fchmod(descriptor, entry.mode)
        if entry.xattrs:
            set_xattrs(descriptor, entry.xattrs)

    def _chown(self, folder: int, name: bytes, entry: Entry) -> None:
        if self._owners:
            super()._chown(folder, name, entry)

    def _enter(self, here: int, names: Names, *, make: bool) -> int:
        try:
            return os.open(names[-1], OPEN_FOLDER, dir_fd=here)
        except FileNotFoundError:
            if not make:
                raise
        except OSError as error:
            if error.errno not in {errno.ENOTDIR, errno.ELOOP} or self._scope is None:
                raise
            return self._follow(names)
        os.mkdir(names[-1], 0o755, dir_fd=here)
        return os.open(names[-1], OPEN_FOLDER, dir_fd=here)

    def _follow(self, names: Names) -> int:
        root, top = self._scope or (-1, "")
        path = f"{top}/{os.fsdecode(b'/'.join(names))}"
        return beneath.resolve(root, path, _FOLDER)
