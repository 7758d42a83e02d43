"""Owns who is called what in a container's networks: its own entries, and finding those of others.

Each network has a folder, each container in it a file there, named by its id, written and removed by its
supervisor: {"name", "aliases", "addresses", "lock"}. It appears by rename. An entry counts only while its
lock is held: one left by a supervisor that was killed names nobody. Refuses to speak DNS.
"""

from __future__ import annotations

import os
from time import time_ns

from engine.shim import json_text, sockets
from engine.shim.lock import lock_holder

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SETTLED = 20_000_000
"""Nanoseconds after which a folder's time tells one change from the next: a tick of the clock takes 10 ms."""
_ATTEMPTS = 10


class Entry:
    """One container in one network: ``names`` in lower case; OSError if an address is none."""

    __slots__ = ("addresses", "lock", "name", "names")

    def __init__(self, content: dict) -> None:  # type: ignore[type-arg]  # JSON
        self.name = str(content["name"])
        self.names = tuple(str(name).lower() for name in (self.name, *content["aliases"]))
        self.addresses = tuple(map(str, content["addresses"]))
        self.lock = str(content["lock"])
        for address in self.addresses:
            sockets.inet_pton(sockets.AF_INET6 if ":" in address else sockets.AF_INET, address)


class Folder:
    """The entries of one network, read again when the folder has changed."""

    __slots__ = ("_by_address", "_by_name", "_path", "_read_of")

    def __init__(self, path: str) -> None:
        self._path = path
        self._read_of: tuple[int, int] | None = None
        self._by_name: dict[str, list[Entry]] = {}
        self._by_address: dict[str, Entry] = {}

    def named(self, name: str) -> list[Entry]:
        """The entries with this name, in lower case."""
        self._refresh()
        return self._by_name.get(name, [])

    def at(self, address: str) -> Entry | None:
        """The entry with this address."""
        self._refresh()
        return self._by_address.get(address)

    def _refresh(self) -> None:
        now = time_ns()
        try:
            status = os.stat(self._path)
            seen = (status.st_ino, status.st_mtime_ns)
            if seen == self._read_of:
                return
            listed = os.listdir(self._path)
        except OSError:
            seen, listed = (0, 0), []
        by_name: dict[str, list[Entry]] = {}
        self._by_address = {}
        for entry in map(self._entry, sorted(listed)):
            if entry is None:
                continue
            for name in dict.fromkeys(entry.names):
                by_name.setdefault(name, []).append(entry)
            for address in entry.addresses:
                self._by_address[address] = entry
        self._by_name = by_name
        # What changes within one tick of the clock leaves the folder's time as it was.
        self._read_of = seen if seen[1] + _SETTLED < now else None

    def _entry(self, file: str) -> Entry | None:
        if file.startswith("."):
            return None  # not yet renamed
        try:
            with open(f"{self._path}/{file}", "rb") as opened:
                return Entry(json_text.loads(opened.read()))
        except (OSError, ValueError, TypeError, LookupError):
            return None  # it has just gone


class Names:
    """A container's names, and those that it sees; ``wanted`` is the bundle's ``network.names``."""

    def __init__(self, wanted: dict) -> None:  # type: ignore[type-arg]  # JSON
        self._networks: list[dict] = []  # type: ignore[type-arg]
        self._folders: list[Folder] = []
        self._published = False
        self.change(wanted)

    def change(self, wanted: dict) -> None:  # type: ignore[type-arg]
        """Others from now on; those that are published change at once."""
        before = self._networks
        self._networks = wanted["networks"]
        self._folders = [Folder(os.path.dirname(network["path"])) for network in self._networks]
        if self._published:
            kept = {network["path"] for network in self._networks if network["entry"]}
            remove_entries([network for network in before if network["path"] not in kept])
            self.publish()

    def publish(self) -> None:
        """Let the others see the container; raises OSError."""
        self._published = True
        for network in self._networks:
            if network["entry"]:
                _write(network["path"], json_text.dumps(network["entry"]))

    def withdraw(self) -> None:
        """Nobody sees the container any more; nothing if nobody did."""
        if self._published:
            self._published = False
            remove_entries(self._networks)

    def addresses(self, name: str, wanted: Callable[[str], bool]) -> list[str] | None:
        """The ``wanted`` addresses of who is called ``name`` (in lower case), in the first network with any.

        [] if they have others only, None if nobody is called so. ``name`` may end with its network's: a
        container ``a.b`` of a network ``c`` is ``a.b`` and ``a.b.c``.
        """
        found = None
        for network, folder, called in self._places(name):
            every = self._alive(network, folder, called)
            chosen = [address for address in every if wanted(address)]
            if chosen:
                return chosen
            if every:
                found = chosen
        return found

    def _places(self, name: str) -> Iterator[tuple[dict, Folder, str]]:  # type: ignore[type-arg]
        """Where to look for which name."""
        networks = tuple(zip(self._networks, self._folders, strict=True))
        for network, folder in networks:
            yield network, folder, name
        at = name.rfind(".")
        while at > 0:
            for network, folder in networks:
                if network["network"].lower() == name[at + 1 :]:
                    yield network, folder, name[:at]
            at = name.rfind(".", 0, at)

    def name_at(self, address: str) -> str:
        """NAME.NETWORK of the container with ``address``, "" if there is none in these networks."""
        for network, folder in zip(self._networks, self._folders, strict=True):
            entry = folder.at(address)
            if entry is not None and self._lives(entry):
                return f"{entry.name}.{network['network']}"
        return ""

    def _alive(self, network: dict, folder: Folder, name: str) -> list[str]:  # type: ignore[type-arg]
        linked = network.get("links", {}).get(name)
        entries = folder.named(linked.lower() if linked else name)
        return [address for entry in entries if self._lives(entry) for address in entry.addresses]

    def _lives(self, entry: Entry) -> bool:
        # Never open one's own lock: closing any descriptor of it would give it back (fcntl_locking(2)).
        if any(network["entry"] and network["entry"]["lock"] == entry.lock for network in self._networks):
            return self._published
        try:
            return bool(lock_holder(entry.lock))
        except OSError:
            return False


def remove_entries(networks: Iterable[dict]) -> None:  # type: ignore[type-arg]  # JSON
    """Remove the files of a container that is gone, or out of ``networks``; they may be gone."""
    for network in networks:
        if network["entry"]:
            try:
                os.unlink(network["path"])
            except OSError:
                pass  # it names nobody as soon as its lock is free


def _write(path: str, text: str) -> None:
    folder, file = os.path.split(path)
    unready = f"{folder}/.{file}"
    for attempt in range(_ATTEMPTS):
        os.makedirs(folder, 0o700, exist_ok=True)
        try:
            with open(unready, "w", encoding="ascii") as opened:
                opened.write(text)
            os.rename(unready, path)
        except FileNotFoundError:  # somebody removed the folder, as there was no file in it
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return
