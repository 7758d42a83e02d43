"""Owns taking names and images away by Docker's rules, in one transaction; refuses to remove files.

Source: moby, daemon/images/image_delete.go: what is a soft conflict (``-f`` goes on) and what a hard one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Conflict
from engine.oci import reference as references
from engine.records import RemovedImage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

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
        names = self._names()
        user = self._user(running=None)
        if not force and _is_single(names) and user is not None:
            raise self._conflict(
                f'conflict: unable to remove repository reference "{text}" (must force)'
                f" - container {user[:_SHORT]} is using its referenced image {self._short}"
            )
        self._untag(self._stored_name(text, names))
        if self._names() or self._user(running=True) is not None:
            return  # the image of a running container stays, without a name, as in Docker
        self._delete()

    def by_id(self, *, force: bool) -> None:
        names = self._names()
        running = self._user(running=True)
        if running is not None:
            reason = f"image is being used by running container {running[:_SHORT]}"
            raise self._refusal("cannot be forced", reason)
        if not force:
            if not _is_single(names):
                reason = "image is referenced in multiple repositories"
                raise self._refusal("must be forced", reason, "remove the names one by one, or add -f")
            stopped = self._user(running=False)
            if stopped is not None:
                reason = f"image is being used by stopped container {stopped[:_SHORT]}"
                raise self._refusal("must be forced", reason)
        for name in names:
            self._untag(name)
        self._delete()

    def unless_used(self, *, names: bool) -> None:
        held = self._names()
        if self._user(running=None) is not None or (held and not names):
            return
        for name in held:
            self._untag(name)
        self._delete()

    # -- facts -----------------------------------------------------------------------------------
    @property
    def _short(self) -> str:
        return self._image_id.removeprefix("sha256:")[:_SHORT]

    def _names(self) -> list[str]:
        rows = self._connection.execute(
            "SELECT name FROM image_name WHERE image_id = ? ORDER BY name", (self._image_id,)
        )
        return [row[0] for row in rows]

    def _user(self, *, running: bool | None) -> str | None:
        """The first container on the image; of the running or of the stopped ones unless None."""
        rows = self._connection.execute(
            "SELECT id FROM container WHERE image_id = ? ORDER BY created", (self._image_id,)
        )
        for (container_id,) in rows:
            if running is None or self._alive(container_id) == running:
                return str(container_id)
        return None

    def _stored_name(self, text: str, names: list[str]) -> str:
        reference = references.parse(text).tagged
        if not reference.digest:
            return reference.normalised
        same = [name for name in names if references.parse(name).name == reference.name]
        return same[0]

    # -- effects ---------------------------------------------------------------------------------
    def _untag(self, name: str) -> None:
        self._connection.execute("DELETE FROM image_name WHERE name = ?", (name,))
        self._untagged.append(references.parse(name).familiar)

    def _delete(self) -> None:
        if self._connection.execute("DELETE FROM image WHERE id = ?", (self._image_id,)).rowcount:
            self._deleted.append(self._image_id)

    def _refusal(self, how: str, reason: str, remedy: str = _REMEDY) -> Conflict:
        return self._conflict(f"conflict: unable to delete {self._short} ({how}) - {reason}", remedy)

    def _conflict(self, message: str, remedy: str = _REMEDY) -> Conflict:
        return Conflict("image", self._image_id, message, remedy=remedy)


def _is_single(names: list[str]) -> bool:
    """Whether there is at most one name."""
    return len(names) <= 1


def _is_id(image_id: str, reference: str) -> bool:
    """Whether ``reference`` is a prefix of the id (Docker asks no further, even if it is a name too)."""
    return image_id.removeprefix("sha256:").startswith(reference.removeprefix("sha256:"))
