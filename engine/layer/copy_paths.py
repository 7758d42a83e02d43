"""Owns what the paths of a copy mean: which folder an archive goes to, and under which name; pure text.

Sources: Docker's reference of ``container cp`` (its table of SRC_PATH and DEST_PATH) and moby/go-archive
copy.go, whose words for mistakes these are. Refuses to look at any file.
"""

from __future__ import annotations

import posixpath

import msgspec

from engine.errors import InvalidInput


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What is copied: ``rename`` is the name that the user called it by, where a link led elsewhere."""

    path: str
    is_folder: bool
    rename: str = ""


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where to: ``path`` with all links of its last part followed."""

    path: str
    exists: bool = False
    is_folder: bool = False


def placed(source: Source, destination: Destination) -> tuple[str, str]:
    """The existing folder that receives the copy, and the name of the copy in it ("." is its content)."""
    name = source.rename or split(source.path)[1]
    if destination.exists and destination.is_folder:
        return destination.path, name
    if destination.exists and source.is_folder:
        raise InvalidInput("", "cannot copy directory", remedy="the destination is a file: name a folder")
    if not destination.exists and not source.is_folder and asserts_folder(destination.path):
        raise InvalidInput("", "no such directory", remedy="make the destination's folder first")
    return split(destination.path)


def split(path: str) -> tuple[str, str]:
    """The folder and the last name of ``path``; the last name of ``x/.`` is "."."""
    cleaned = clean(path)
    if base(path) == ".":
        cleaned = f"{cleaned}/."
    return clean(posixpath.dirname(cleaned)), base(cleaned)


def clean(path: str) -> str:
    """The shortest text that means the same, without a slash at the end."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def base(path: str) -> str:
    """The last name of ``path``, slashes at its end left out; "." of nothing."""
    if not path:
        return "."
    return posixpath.basename(path.rstrip("/")) or "/"


def inside(path: str) -> str:
    """``path`` of a container, from its root, with the meaning that its end has."""
    return keeping_end(clean(f"/{path}"), path)


def keeping_end(cleaned: str, original: str) -> str:
    """``cleaned`` with the ``/`` or ``/.`` at the end of ``original``, which say that it is a folder."""
    if base(original) == "." and base(cleaned) != ".":
        cleaned = f"{cleaned.rstrip('/')}/."
    if original.endswith("/") and not cleaned.endswith("/"):
        cleaned += "/"
    return cleaned


def asserts_folder(path: str) -> bool:
    """Whether the text alone says that it is a folder."""
    return path.endswith("/") or base(path) == "."


def renamed(asked: str, found: str) -> Source:
    """The source when ``asked`` turned out to be ``found``; ``is_folder`` is for the caller to say."""
    path = keeping_end(found, asked)
    return Source(path=path, is_folder=False, rename=base(asked) if base(asked) != base(path) else "")
