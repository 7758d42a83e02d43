"""Who is called what, by files that count while a lock is held."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from engine.shim import json_text
from engine.shim.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HOLD = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
)


class Others:
    """Containers beside the one under test: entries, and processes that hold their locks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._holders: list[subprocess.Popen[bytes]] = []

    def add(
        self, name: str, *addresses: str, network: str = "n1", aliases: Any = ()
    ) -> subprocess.Popen[bytes]:
        lock = f"{self.folder}/{name}.lock"
        command = [sys.executable, "-Sc", _HOLD, lock]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._holders.append(holder)
        assert holder.stdout is not None
        holder.stdout.readline()
        entry = {"name": name, "aliases": aliases, "addresses": addresses, "lock": lock}
        Names({"networks": [self.network(name, network, entry)]}).publish()
        return holder

    def network(self, owner: str, network: str = "n1", entry: Any = None, **links: str) -> dict[str, Any]:
        path = f"{self.folder}/{network}/{owner}"
        return {"network": network, "path": path, "entry": entry, "links": links}

    def close(self) -> None:
        for holder in self._holders:
            holder.kill()
            holder.communicate()


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Others]:
    made = Others(tmp_path)
    yield made
    made.close()


def found(names: Names, name: str) -> list[str] | None:
    return names.addresses(name, lambda _: True)


def alone(others: Others, *networks: str, **links: str) -> Names:
    """A container that is not found itself."""
    return Names({"networks": [others.network("me", network, **links) for network in networks or ("n1",)]})


@pytest.mark.parametrize("name", ["web", "svc", "web.n1", "svc.n1"])
def test_a_container_is_found_by_its_names(others, name):
    others.add("Web", "10.0.0.2", "fd00::2", aliases=("svc",))
    assert found(alone(others), name) == ["10.0.0.2", "fd00::2"]


@pytest.mark.parametrize("name", ["other", "web.n2", "n1", "web.n1.n1", ""])
def test_nobody_is_found_by_another_name(others, name):
    others.add("web", "10.0.0.2")
    assert found(alone(others), name) is None


def test_a_name_may_have_dots(others):
    others.add("my.web", "10.0.0.2", network="net.work")
    names = alone(others, "net.work")
    assert (found(names, "my.web"), found(names, "my.web.net.work")) == (["10.0.0.2"], ["10.0.0.2"])


def test_an_alias_of_several_is_all_of_them(others):
    for place in (2, 3, 4):
        others.add(f"w{place}", f"10.0.0.{place}", aliases=("svc",))
    assert found(alone(others), "svc") == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_another_network_is_not_seen(others):
    others.add("web", "10.0.0.2", network="n2")
    names = alone(others, "n1")
    assert (found(names, "web"), found(names, "web.n2"), names.name_at("10.0.0.2")) == (None, None, "")


def test_the_first_network_that_has_such_an_address_answers(others):
    others.add("one", "10.1.0.2", network="n1", aliases=("web",))
    others.add("two", "10.2.0.2", "fd00::2", network="n2", aliases=("web",))
    names = alone(others, "n1", "n2")
    assert found(names, "web") == ["10.1.0.2"]
    assert names.addresses("web", lambda address: ":" in address) == ["fd00::2"]
    assert found(names, "web.n2") == ["10.2.0.2", "fd00::2"]


def test_a_container_without_such_an_address_is_known_all_the_same(others):
    others.add("web", "10.0.0.2")
    assert alone(others).addresses("web", lambda address: ":" in address) == []


def test_a_name_ends_with_the_lock(others):
    holder = others.add("web", "10.0.0.2")
    names = alone(others)
    before = found(names, "web")
    holder.kill()
    holder.wait()
    assert (before, found(names, "web"), names.name_at("10.0.0.2")) == (["10.0.0.2"], None, "")


def test_changes_within_one_tick_are_seen(others):
    others.add("web", "10.0.0.2")
    names, path = alone(others), others.folder / "n1" / "web"
    entry = json_text.loads(path.read_bytes())
    for place in range(50):
        Names({"networks": [others.network("web", entry={**entry, "name": f"web{place}"})]}).publish()
        assert found(names, f"web{place}") == ["10.0.0.2"]


def own(others: Others, **changes: Any) -> Names:
    """A container that is found, with its lock held by this process."""
    entry = {
        "name": "me",
        "aliases": [],
        "addresses": ["10.0.0.9"],
        "lock": f"{others.folder}/me.lock",
        **changes,
    }
    return Names({"networks": [others.network("me", entry=entry)]})


def test_a_container_finds_itself_while_it_is_published(others):
    names = own(others)
    seen = [found(names, "me")]
    names.publish()
    seen.append(found(names, "me"))
    names.withdraw()
    assert [*seen, found(names, "me")] == [None, ["10.0.0.9"], None]


def test_looking_for_oneself_gives_one_s_lock_not_back(others):
    path = f"{others.folder}/me.lock"
    with open(path, "w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        names = own(others)
        names.publish()
        assert (found(names, "me"), names.name_at("10.0.0.9")) == (["10.0.0.9"], "me.n1")
        code = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        taken = subprocess.run([sys.executable, "-Sc", code, path], capture_output=True)
    assert b"BlockingIOError" in taken.stderr


def test_other_names_are_published_at_once(others):
    names = own(others)
    names.publish()
    lock = f"{others.folder}/me.lock"
    entry = {"name": "you", "aliases": [], "addresses": ["10.0.0.9"], "lock": lock}
    names.change({"networks": [others.network("me", entry=entry)]})
    assert (found(names, "me"), found(names, "you")) == (None, ["10.0.0.9"])


def test_a_network_that_is_left_knows_the_container_no_more(others):
    names = own(others)
    names.publish()
    names.change({"networks": []})
    assert os.listdir(others.folder / "n1") == []


def test_a_link_is_a_name_of_one_container_alone(others):
    others.add("web", "10.0.0.2")
    linked, other = alone(others, db="web"), alone(others)
    assert (found(linked, "db"), found(other, "db")) == (["10.0.0.2"], None)


def test_a_reverse_look_up_has_the_network_in_it(others):
    others.add("web", "10.0.0.2", "fd00::2", aliases=("svc",))
    names = alone(others)
    assert (names.name_at("10.0.0.2"), names.name_at("fd00::2")) == ("web.n1", "web.n1")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": "x"}',
        b"\xff",
        b'{"name": "bad", "aliases": [], "addresses": ["ten"], "lock": "/x"}',
    ],
)
def test_a_broken_entry_names_nobody(others, content):
    others.add("web", "10.0.0.2")
    (others.folder / "n1" / "bad").write_bytes(content)
    names = alone(others)
    assert (found(names, "web"), found(names, "bad")) == (["10.0.0.2"], None)


def test_an_entry_in_the_making_names_nobody(others):
    others.add("web", "10.0.0.2")
    os.rename(others.folder / "n1" / "web", others.folder / "n1" / ".web")
    assert found(alone(others), "web") is None
