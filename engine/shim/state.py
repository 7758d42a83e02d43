"""Owns what a supervisor leaves on disk: state.json, its lines of the journal; refuses SQLite."""

from __future__ import annotations

import errno
import fcntl
import os
from time import time_ns

from engine.shim import json_text

_FACTS_SIZE = 512
_ROTATE_AT = 1 << 20
_LINE_LIMIT, _VALUE_LIMITS = 4096, (512, 128, 64)
"""In bytes, that of ``engine.store.journal``; and in characters, each of which JSON makes six at most."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def write_json(path: str, value: object, *, durable: bool) -> None:
    """Replace the file at ``path`` by rename; ``durable``: it survives a loss of power from then on."""
    _replace(path, json_text.dumps(value).encode(), durable=durable)


def _replace(path: str, content: bytes, *, durable: bool) -> None:
    temporary = f"{path}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(content)
        while view:  # a disk that gets full takes a part
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
    except OSError:
        remove(temporary)
        raise
    finally:
        os.close(fd)
    os.rename(temporary, path)
    if durable:
        _sync_folder(os.path.dirname(path))


def write_facts(path: str, facts: dict, *, durable: bool) -> None:  # type: ignore[type-arg]
    """As ``write_json``, for a state.json: padded, so that on a full disk the next facts fit over these.

    There a health's results, which may be long, are given up for the rest.
    """
    try:
        _replace(path, json_text.dumps(facts).encode().ljust(_FACTS_SIZE), durable=durable)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        brief = {**facts, "health": {**facts["health"], "log": []}} if facts.get("health") else facts
        if not _overwrite(path, brief):
            raise


def _overwrite(path: str, facts: dict) -> bool:  # type: ignore[type-arg]
    """Write over the file at ``path``, whose blocks are there; False if there is none, or a shorter one."""
    content = json_text.dumps(facts).encode()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(fd).st_size
        if len(content) > size:
            return False
        os.pwrite(fd, content.ljust(size), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    return True


def _sync_folder(path: str) -> None:
    folder = os.open(path, _FOLDER)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def append_event(bundle: dict, action: str, **attributes: str) -> None:  # type: ignore[type-arg]  # JSON
    """One line of the journal (``engine.events.Event``) about this container, in one O_APPEND write."""
    told = {**bundle.get("event_attributes", {}), **attributes}
    append(bundle, {"type": "container", "action": action, "id": bundle["id"], "attributes": told})


def append_companions(bundle: dict, moment: str) -> None:  # type: ignore[type-arg]
    """The lines about networks and volumes that come with the container's ``start`` or ``end``."""
    for event in (bundle.get("companions") or {}).get(moment, ()):
        append(bundle, event)


def append(bundle: dict, event: dict) -> None:  # type: ignore[type-arg]
    """One line about anything: ``event`` without its time."""
    path = bundle.get("events_path")
    if not path:
        return
    event = {"time": time_ns(), **event}
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, _event_line(event))
        if os.fstat(fd).st_size > _ROTATE_AT:  # health checks write while no engine runs
            _rotate(fd, path)
    finally:
        os.close(fd)


def _rotate(fd: int, path: str) -> None:
    """Move the journal ``fd`` to ``path``.1, once, by the rules of ``engine.store.journal``."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(path), os.fstat(fd)):
            os.rename(path, f"{path}.1")
    except OSError:
        pass  # another writer does it


def _event_line(event: dict) -> bytes:  # type: ignore[type-arg]
    """``event`` as one line that readers of the journal take: long attributes are cut."""
    line = json_text.dumps(event).encode() + b"\n"
    for limit in _VALUE_LIMITS:
        if len(line) <= _LINE_LIMIT:
            return line
        shortened = {name[:64]: value[:limit] for name, value in event["attributes"].items()}
        line = json_text.dumps({**event, "attributes": shortened}).encode() + b"\n"
    if len(line) <= _LINE_LIMIT:
        return line
    attributes = event["attributes"]
    told = {name: attributes[name][:64] for name in ("name", "exitCode") if name in attributes}
    return json_text.dumps({**event, "attributes": told}).encode() + b"\n"


def remove(path: str) -> None:
    """Remove the file or tree at ``path``, following no link; what cannot be removed is left to a sweep.

    A container can make trees deeper than Python recurses, than a path is long and than descriptors are
    allowed: so every folder is first moved up into ``path`` itself, and nothing is ever deep.
    """
    if _unlink(path):
        return
    try:
        top = os.open(path, _FOLDER)
    except OSError:
        return
    try:
        pending = os.listdir(top)
        while pending:
            _remove_flat(top, pending.pop(), pending)
        os.rmdir(path)
    except OSError:
        pass
    finally:
        os.close(top)


def _remove_flat(top: int, name: str, pending: list[str]) -> None:
    if _unlink(name, top):
        return
    try:
        folder = os.open(name, _FOLDER, dir_fd=top)
    except OSError:
        return
    try:
        for child in os.listdir(folder):
            if not _unlink(child, folder):
                moved = f".removed-{os.urandom(8).hex()}"
                os.rename(child, moved, src_dir_fd=folder, dst_dir_fd=top)
                pending.append(moved)
        os.rmdir(name, dir_fd=top)
    except OSError:
        pass
    finally:
        os.close(folder)


def _unlink(name: str, folder: int | None = None) -> bool:
    """Whether ``name`` is gone, or is at least no folder."""
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        return False
    except OSError:
        pass
    return True


def remove_run_dir(run_dir: str) -> None:
    """Remove a run folder whose lock this process holds: the lock last, so that it guards all the rest.

    Who starts the container in between makes a lock of its own: then the folder stays, for that.
    """
    for name in os.listdir(run_dir):
        if name != "lock":
            remove(f"{run_dir}/{name}")
    remove(f"{run_dir}/lock")
    try:
        os.rmdir(run_dir)
    except OSError:
        pass
