"""Owns taking names and images away by Docker's rules, in one transaction; refuses to remove files.

Source: moby, daemon/images/image_delete.go: what is a soft conflict (``-f`` goes on) and what a hard one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Conflict
from engine.oci import reference as references
from engine.records import RemovedImage
from engine.store import image_digests

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from engine.oci.reference import Reference
    from engine.store.database import Database

_SHORT = 12
_REMEDY = "tuidock ps -a lists the containers; tuidock rm CONTAINER removes one"


class ImageRemoval:
    """Removes images of one store; ``alive`` tells whether the container with an id runs now."""

    def __init__(self, database: Database, alive: Callable[[str], bool]) -> None:
        self._database = database
        self._alive = alive

    def remove(self, image_id: str, reference: str, *, force: bool) -> RemovedImage:
        """Untag ``reference`` if it is a name, delete the image if nothing else holds it.

        ``reference`` is what the user wrote, already resolved to ``image_id``. Raises Conflict in
        Docker's words; nothing is changed then.
        """
        with self._database.transaction() as connection:
            removal = _Removal(connection, image_id, self._alive)
            if _is_id(image_id, reference):
                removal.by_id(force=force)
            else:
                removal.by_name(reference, force=force)
            return removal.result()

    def remove_unused(self, image_id: str, *, names: bool) -> RemovedImage:
        """Delete the image, its names too if ``names``, unless a container uses it: then nothing is done."""
        with self._database.transaction() as connection:
            removal = _Removal(connection, image_id, self._alive)
            removal.unless_used(names=names)
            return removal.result()


class _Removal:
    """One removal inside its transaction."""

    def __init__(self, connection: sqlite3.Connection, image_id: str, alive: Callable[[str], bool]) -> None:
        self._connection = connection
        self._image_id = image_id
        self._alive = alive
        self._untagged: list[str] = []
        self._deleted: list[str] = []

    def result(self) -> RemovedImage:
        return RemovedImage(untagged=tuple(self._untagged), deleted=tuple(self._deleted))

    def by_name(self, text: str, *, force: bool) -> None:
        user = self._user(running=None)
        if not force and _is_single(self._references()) and user is not None:
            raise self._conflict(
                f'conflict: unable to remove repository reference "{text}" (must force)'
                f" - container {user[:_SHORT]} is using its referenced image {self._short}"
            )
        removed = self._stored(text)
        self._untag(removed)
        same = [one for one in self._references() if one.name == removed.name]
        if not removed.digest and all(one.digest for one in same):
            for one in same:  # a repository's digests go with its last tag
                self._untag(one)
        if self._references() or self._user(running=True) is not None:
            return  # the image of a running container stays, without a name, as in Docker
        self._delete()

    def by_id(self, *, force: bool) -> None:
        held = self._references()
        running = self._user(running=True)
        if running is not None:
            reason = f"image is being used by running container {running[:_SHORT]}"
            raise self._refusal("cannot be forced", reason)
        if not force:
            if not _is_single(held):
                reason = "image is referenced in multiple repositories"
                raise self._refusal("must be forced", reason, "remove the names one by one, or add -f")
            stopped = self._user(running=False)
            if stopped is not None:
                reason = f"image is being used by stopped container {stopped[:_SHORT]}"
                raise self._refusal("must be forced", reason)
        for reference in held:
            self._untag(reference)
        self._delete()

    def unless_used(self, *, names: bool) -> None:
        held = self._references()
        if self._user(running=None) is not None or (not names and any(one.tag for one in held)):
            return
        for reference in held:
            self._untag(reference)
        self._delete()

    # -- facts -----------------------------------------------------------------------------------
    @property
    def _short(self) -> str:
        return self._image_id.removeprefix("sha256:")[:_SHORT]

    def _references(self) -> list[Reference]:
        """Its names, and what registries have it under, in the order in which Docker shows them."""
        named = self._connection.execute("SELECT name FROM image_name WHERE image_id = ?", (self._image_id,))
        pulled = self._connection.execute(image_digests.OF_IMAGE, (self._image_id,))
        return [references.parse(text) for text in sorted(str(row[0]) for row in (*named, *pulled))]

    def _user(self, *, running: bool | None) -> str | None:
        """The first container on the image; of the running or of the stopped ones unless None."""
        rows = self._connection.execute(
            "SELECT id FROM container WHERE image_id = ? ORDER BY created", (self._image_id,)
        )
        for (container_id,) in rows:
            if running is None or self._alive(container_id) == running:
                return str(container_id)
        return None

    def _stored(self, text: str) -> Reference:
        """Which of its references ``text`` is; a digest from an archive is none: the repository's first."""
        reference = references.parse(text).tagged
        if not reference.digest:
            return reference
        same = [one for one in self._references() if one.name == reference.name]
        return next((one for one in same if one.digest == reference.digest), same[0])

    # -- effects ---------------------------------------------------------------------------------
    def _untag(self, reference: Reference) -> None:
        if reference.digest:
            key = (reference.name, reference.digest)
            self._connection.execute("DELETE FROM image_digest WHERE name = ? AND digest = ?", key)
        else:
            self._connection.execute("DELETE FROM image_name WHERE name = ?", (reference.normalised,))
        self._untagged.append(reference.familiar)

    def _delete(self) -> None:
        if self._connection.execute("DELETE FROM image WHERE id = ?", (self._image_id,)).rowcount:
            self._deleted.append(self._image_id)

    def _refusal(self, how: str, reason: str, remedy: str = _REMEDY) -> Conflict:
        return self._conflict(f"conflict: unable to delete {self._short} ({how}) - {reason}", remedy)

    def _conflict(self, message: str, remedy: str = _REMEDY) -> Conflict:
        return Conflict("image", self._image_id, message, remedy=remedy)


def _is_single(held: list[Reference]) -> bool:
    """Whether there is at most one name, with digests of its repository alone, as Docker asks it."""
    tagged = [one for one in held if one.tag]
    return len(held) <= 1 or (len(tagged) <= 1 and len({one.name for one in held}) == 1)


def _is_id(image_id: str, reference: str) -> bool:
    """Whether ``reference`` is a prefix of the id (Docker asks no further, even if it is a name too)."""
    return image_id.removeprefix("sha256:").startswith(reference.removeprefix("sha256:"))
