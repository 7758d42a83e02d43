"""Owns what COPY and the cache see of a source tree: ignore rules, wildcards, links kept inside; read only.

A tree is a context folder (with .dockerignore), or the root of a stage or image. Runs in a worker.
Source of the rules: Docker's COPY, wildcards as Go's filepath.Match applied name by name.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from engine.dockerfile.match import clean, compile_match, has_wildcards, unescape
from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.dockerfile.ignore import IgnoreMatcher

_LINK_LIMIT = 255


class SourceTree:
    """The tree at ``root`` without what ``ignored`` excludes; paths are relative to it, "" is itself."""

    def __init__(self, root: str, ignored: IgnoreMatcher | None = None) -> None:
        self.root = root
        self._ignored = ignored

    def host_path(self, path: str) -> str:
        """Where ``path`` is on this machine."""
        return f"{self.root}/{path}" if path else self.root

    def entries(self, path: str) -> list[os.DirEntry[str]]:
        """What the folder ``path`` holds, by name, ignored names left out."""
        with os.scandir(self.host_path(path)) as found:
            below = sorted(found, key=lambda entry: entry.name)
        if self._ignored is None:
            return below
        return [entry for entry in below if self._is_seen(_join(path, entry.name), entry)]

    def select(self, source: str) -> list[str]:
        """The paths that ``source`` names, a wildcard's in order; none where a wildcard fits nothing.

        FileNotFoundError where a name without wildcards is not there, or is ignored.
        """
        names = [name for name in clean(f"/{source}").split("/") if name]
        plain = next((at for at, name in enumerate(names) if has_wildcards(name)), len(names))
        base = self._existing([unescape(name) for name in names[:plain]], source)
        if plain == len(names):
            return [base]
        return list(self._matching(base, names[plain:]))

    def resolve(self, path: str) -> str:
        """``path`` with its links followed, none of them out of the tree."""
        pending = [name for name in path.split("/") if name][::-1]
        done: list[str] = []
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                done = done[:-1]
                continue
            if name == ".":
                continue
            target = self._link_target("/".join([*done, name]))
            if target is None:
                done.append(name)
                continue
            links += 1
            if links > _LINK_LIMIT:
                raise FileNotFoundError(path)
            if target.startswith("/"):
                done = []
            pending += [part for part in target.split("/") if part][::-1]
        return "/".join(done)

    def checksum(self, sources: tuple[str, ...]) -> str:
        """A digest of all that COPY would take: names, types, modes, owners, content; never times."""
        digest = hashlib.sha256()
        for source in sources:
            digest.update(f"source {source}\0".encode("utf-8", "surrogateescape"))
            for path in self.select(source):
                self._add(digest, path, self.resolve(path))
        return f"sha256:{digest.hexdigest()}"

    def _add(self, digest: hashlib._Hash, name: str, path: str) -> None:
        """Each folder before what it holds, by name; without recursion, which ends before paths do."""
        pending = [(name, path)]
        while pending:
            name, path = pending.pop()
            status = os.lstat(self.host_path(path))
            self._add_row(digest, name, status, path)
            if stat.S_ISDIR(status.st_mode):
                below = reversed(self.entries(path))
                pending += [(_join(name, entry.name), _join(path, entry.name)) for entry in below]

    def _add_row(self, digest: hashlib._Hash, name: str, status: os.stat_result, path: str) -> None:
        detail = ""
        if stat.S_ISREG(status.st_mode):
            detail = _file_digest(self.host_path(path))
        elif stat.S_ISLNK(status.st_mode):
            detail = os.readlink(self.host_path(path))
        elif not stat.S_ISDIR(status.st_mode):
            detail = str(status.st_rdev)
        row = f"{name}\0{status.st_mode:o}\0{detail}\0"
        digest.update(row.encode("utf-8", "surrogateescape"))

    def _is_seen(self, path: str, entry: os.DirEntry[str]) -> bool:
        ignored = self._ignored
        if ignored is None or not ignored.excludes(path):
            return True
        # A folder that is excluded is there all the same if an exception brings back something in it.
        return ignored.has_exceptions and entry.is_dir(follow_symlinks=False) and self._holds_seen(path)

    def _holds_seen(self, folder: str) -> bool:
        pending = [folder]
        while pending:
            path = pending.pop()
            with os.scandir(self.host_path(path)) as found:
                for entry in found:
                    below = _join(path, entry.name)
                    if self._ignored is not None and not self._ignored.excludes(below):
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(below)
        return False

    def _existing(self, names: list[str], source: str) -> str:
        path = self.resolve("/".join(names))
        here = ""
        for name in path.split("/") if path else []:
            found = {entry.name for entry in self.entries(here)} if self._is_folder(here) else set()
            if name not in found:
                raise FileNotFoundError(source)
            here = _join(here, name)
        return "/".join(names)

    def _is_folder(self, path: str) -> bool:
        return stat.S_ISDIR(os.lstat(self.host_path(path)).st_mode)

    def _matching(self, base: str, patterns: list[str]) -> Iterator[str]:
        pattern, *rest = patterns
        folder = self.resolve(base)
        if not self._is_folder(folder):
            return
        wanted = compile_match(pattern)
        for entry in self.entries(folder):
            if not wanted.fullmatch(entry.name):
                continue
            if not rest:
                yield _join(base, entry.name)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._matching(_join(base, entry.name), rest)

    def _link_target(self, path: str) -> str | None:
        try:
            return os.readlink(self.host_path(path))
        except OSError:
            return None  # not there, or no link


def context_tree(arguments: dict[str, object]) -> SourceTree:
    """The context that a worker's ``arguments`` describe: ``context`` and its ``ignore`` patterns."""
    from engine.dockerfile.ignore import IgnoreMatcher

    patterns = arguments.get("ignore") or ()
    if not isinstance(patterns, (list, tuple)):
        raise InvalidInput("ignore", "a list of patterns is expected")
    matcher = IgnoreMatcher(patterns) if patterns else None
    return SourceTree(str(arguments["context"]), matcher)


def _file_digest(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
