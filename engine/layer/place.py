"""Owns putting a tar's entries into a directory tree; refuses every step outside it, and links on the way.

The tree is a fresh one that nobody else can reach, so the only enemy is the archive itself. Names are
taken apart and opened one by one without following links; ``..`` is refused, a leading ``/`` means the
tree's root (as Docker has it: ko writes its layers so). Whiteouts become overlay's marks.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NoReturn

from engine.errors import InvalidArchive
from engine.layer.tree import OPEN_FOLDER, remove_entry, set_xattrs
from engine.layer.whiteout import META_PREFIX, OPAQUE, PREFIX, is_whiteout, make_whiteout, mark_opaque

if TYPE_CHECKING:
    from engine.layer.tar_reader import Entry, TarReader

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FOLDERS = 128
_PASSED_OVER = frozenset({b"", b"."})
_LATEST = (1 << 63) - 1
_ARCHIVE_FAULTS = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.EOVERFLOW}
Names = tuple[bytes, ...]


class Tree:
    """A directory being filled from an archive that errors call ``subject``."""

    def __init__(self, root: str | int, subject: str, *, whiteouts: bool = True) -> None:
        """``root`` is a path, or an open directory."""
        self._subject = subject
        self._whiteouts = whiteouts
        opened = isinstance(root, int)
        self._root = os.open(".", OPEN_FOLDER, dir_fd=root) if opened else os.open(root, OPEN_FOLDER)  # type: ignore[arg-type]
        self._folders: dict[Names, int] = {}
        self._mtimes: dict[Names, int] = {}
        self.implied: set[Names] = {()}
        """Directories that no entry described."""
        self.size = 0
        self.count = 0

    def put(self, entry: Entry, reader: TarReader) -> None:
        """Put one entry in place; its content is read from ``reader``."""
        names = self._names(entry.name)
        try:
            if not names:
                self._put_root(entry)
            elif self._whiteouts and names[-1].startswith(PREFIX):
                self._put_whiteout(names)
            else:
                self._put(names, entry, reader)
                self.count += 1
        except OSError as error:
            if error.errno in _ARCHIVE_FAULTS:
                self._refuse(entry.name, error.strerror or "impossible")
            raise

    def finish(self) -> None:
        """Set the directories' times, which putting things in has changed; close all.

        One that no entry described gets the epoch, so that the same tar makes the same tree every time.
        """
        for names, mtime in (dict.fromkeys(self.implied, 0) | self._mtimes).items():
            try:
                folder = self._open(names, make=False)
            except (FileNotFoundError, NotADirectoryError):
                continue  # a later entry took its place
            os.utime(folder, ns=(mtime, mtime))
        self.close()

    def close(self) -> None:
        """Close the tree's descriptors."""
        self._forget(())
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    # -- kinds -----------------------------------------------------------------------------------
    def _put_root(self, entry: Entry) -> None:
        if entry.type != "5":
            self._refuse(entry.name, "the root can only be a directory")
        self._describe(self._root, (), entry)

    def _put_whiteout(self, names: Names) -> None:
        folder = self._open(names[:-1])
        name = names[-1]
        if name == OPAQUE:
            mark_opaque(folder)
            return
        if name.startswith(META_PREFIX):
            return  # AUFS kept its own files under such names
        hidden = name.removeprefix(PREFIX)
        if hidden in {b"", b".", b".."}:
            self._refuse(b"/".join(names), "a whiteout of nothing")
        self.count += 1
        try:
            make_whiteout(folder, hidden)
        except FileExistsError:
            # It hides what lower layers have only: what this layer itself has stays.
            if stat.S_ISDIR(os.stat(hidden, dir_fd=folder, follow_symlinks=False).st_mode):
                mark_opaque(self._open((*names[:-1], hidden)))

    def _put(self, names: Names, entry: Entry, reader: TarReader) -> None:
        folder, name = self._open(names[:-1]), names[-1]
        if entry.type == "5":
            self._describe(self._folder(folder, names), names, entry)
            return
        if entry.type == "1":
            self._link(folder, names, entry)
            return
        if entry.type == "0":
            self._write(folder, names, entry, reader)
            return
        self._clear(folder, names)
        if entry.type == "2":
            if not entry.link:
                self._refuse(entry.name, "a symbolic link to nothing")
            os.symlink(entry.link, name, dir_fd=folder)
        elif not _make_node(folder, name, entry):
            return
        self._chown(folder, name, entry)
        if entry.type != "2":
            _chmod(folder, name, entry.mode)
        if entry.xattrs:
            set_xattrs(b"/proc/self/fd/%d/%s" % (folder, name), entry.xattrs)
        mtime = _possible(entry.mtime)
        os.utime(name, ns=(mtime, mtime), dir_fd=folder, follow_symlinks=False)

    def _write(self, folder: int, names: Names, entry: Entry, reader: TarReader) -> None:
        try:
            descriptor = os.open(names[-1], _NEW_FILE, 0o600, dir_fd=folder)
        except FileExistsError:
            self._clear(folder, names)
            descriptor = os.open(names[-1], _NEW_FILE, 0o600, dir_fd=self._open(names[:-1]))
        try:
            reader.copy_to(descriptor, entry)
            self._set_attributes(descriptor, entry)
            mtime = _possible(entry.mtime)
            os.utime(descriptor, ns=(mtime, mtime))
        finally:
            os.close(descriptor)
        self.size += entry.size

    def _link(self, folder: int, names: Names, entry: Entry) -> None:
        source = self._names(entry.link)
        if source == names:
            self._refuse(entry.name, "a hard link to itself")
        self._clear(folder, names)
        try:
            parent = self._open(source[:-1], make=False)
            # Opening the source's folder may have closed the target's in the cache: ask again.
            folder = self._open(names[:-1])
            parent = self._open(source[:-1], make=False)
            os.link(source[-1], names[-1], src_dir_fd=parent, dst_dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError, PermissionError, IndexError):
            self._refuse(entry.name, f"a hard link to {_shown(entry.link)}, which is no file of this archive")

    def _folder(self, folder: int, names: Names) -> int:
        """The directory ``names``, made unless it is there; anything else of that name gives way."""
        try:
            os.mkdir(names[-1], 0o700, dir_fd=folder)
        except FileExistsError:
            status = os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                self._clear(folder, names)
                os.mkdir(names[-1], 0o700, dir_fd=folder)
                if self._whiteouts and is_whiteout(status):
                    # Deleted below and made anew here: nothing of the old one may show through.
                    mark_opaque(self._open(names))
        return self._open(names)

    def _describe(self, descriptor: int, names: Names, entry: Entry) -> None:
        self._set_attributes(descriptor, entry)
        self._mtimes[names] = _possible(entry.mtime)
        self.implied.discard(names)

    def _set_attributes(self, descriptor: int, entry: Entry) -> None:
        os.fchown(descriptor, entry.uid, entry.gid)  # first: it clears set-id bits and capabilities
        os.fchmod(descriptor, entry.mode)
        if entry.xattrs:
            set_xattrs(descriptor, entry.xattrs)

    def _chown(self, folder: int, name: bytes, entry: Entry) -> None:
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)

    def _clear(self, folder: int, names: Names) -> None:
        """Remove what an earlier entry put under the same name."""
        try:
            status = os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode):
            self._forget(names)
            folder = self._open(names[:-1])
        self.size -= remove_entry(folder, names[-1])

    # -- directories -----------------------------------------------------------------------------
    def _open(self, names: Names, *, make: bool = True) -> int:
        """A descriptor of the directory ``names``, valid until the cache is next emptied."""
        if not names:
            return self._root
        found = self._folders.get(names)
        if found is not None:
            return found
        if len(self._folders) >= _OPEN_FOLDERS:
            self._forget(())
        known = len(names) - 1
        while known and names[:known] not in self._folders:
            known -= 1
        here = self._folders[names[:known]] if known else self._root
        owned = -1
        for depth in range(known, len(names)):
            try:
                below = self._enter(here, names[: depth + 1], make=make)
            finally:
                if owned >= 0:
                    os.close(owned)
            here = owned = below
        self._folders[names] = here
        return here

    def _enter(self, here: int, names: Names, *, make: bool) -> int:
        name = names[-1]
        try:
            return os.open(name, OPEN_FOLDER, dir_fd=here)
        except FileNotFoundError:
            if not make:
                raise
        except NotADirectoryError:
            if not make:
                raise
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            if not is_whiteout(status):
                kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no directory"
                self._refuse(b"/".join(names), f"{kind} in the middle of another entry's name")
            os.unlink(name, dir_fd=here)
            os.mkdir(name, 0o755, dir_fd=here)
            return self._imply(here, names, opaque=True)
        os.mkdir(name, 0o755, dir_fd=here)
        return self._imply(here, names, opaque=False)

    def _imply(self, here: int, names: Names, *, opaque: bool) -> int:
        self.implied.add(names)
        descriptor = os.open(names[-1], OPEN_FOLDER, dir_fd=here)
        os.fchmod(descriptor, 0o755)
        if opaque:
            mark_opaque(descriptor)
        return descriptor

    def _forget(self, names: Names) -> None:
        """Close the cached directories at and below ``names``."""
        depth = len(names)
        for known in [known for known in self._folders if known[:depth] == names]:
            os.close(self._folders.pop(known))

    # -- names -----------------------------------------------------------------------------------
    def _names(self, name: bytes) -> Names:
        parts = name.split(b"/")
        if not _PASSED_OVER.isdisjoint(parts):
            parts = [part for part in parts if part not in _PASSED_OVER]
        names = tuple(parts)
        if b".." in names:
            self._refuse(name, "it leads out of the tree by ..")
        if not name:
            self._refuse(name, "an entry without a name")
        return names

    def _refuse(self, name: bytes, reason: str) -> NoReturn:
        raise InvalidArchive(
            self._subject,
            f"entry {_shown(name)}: {reason}",
            remedy="nothing of it was kept; have the archive written again, or do not trust its source",
        )


def _make_node(folder: int, name: bytes, entry: Entry) -> bool:
    """Make a device or FIFO; False where an ordinary user may not, as rootless Docker leaves them out."""
    kind = {"3": stat.S_IFCHR, "4": stat.S_IFBLK, "6": stat.S_IFIFO}[entry.type]
    try:
        os.mknod(name, kind | 0o600, os.makedev(*entry.device), dir_fd=folder)
    except PermissionError:
        if os.geteuid() == 0 and _first_user_namespace():
            raise
        return False
    return True


def _chmod(folder: int, name: bytes, mode: int) -> None:
    """By a descriptor: chmod(2) follows a link, and a container may have put one there meanwhile."""
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISLNK(os.fstat(found).st_mode):
            os.chmod(f"/proc/self/fd/{found}", mode)
    finally:
        os.close(found)


def _first_user_namespace() -> bool:
    with open("/proc/self/uid_map", "rb") as uid_map:
        return uid_map.read().split() == [b"0", b"0", b"4294967295"]


def _possible(mtime: int) -> int:
    """``mtime`` if a file can have it, else the epoch, as Docker has it."""
    return mtime if 0 <= mtime <= _LATEST else 0


def _shown(name: bytes) -> str:
    return repr(os.fsdecode(name[:200]))
