"""A supervisor whose container joins and leaves networks: what is swapped, written, refused and undone."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import pytest

from engine.errors import EngineError
from tests.support.supervisor import ask, kill

pytestmark = pytest.mark.root

NONE: dict[str, Any] = {"host": [], "container": [], "teardown": [], "ports": []}
UNKNOWN = [{"family": 0, "message": "", "expect_acks": 0, "ignore_errno": [], "indexes": [[0, "no0"]]}]
"""Items that are refused before they are sent: there is no such interface."""


@pytest.fixture
async def living(box):
    await box.launcher.supervise(box.bundle("sleep", "60", network=NONE))
    yield box
    await kill(box)


def file_of(box, name: str) -> str:
    return f"{box.last['run_dir']}/{name}"


def wanted(box, **fields: Any) -> dict[str, Any]:
    """A request that changes nothing, but for ``fields``."""
    for name in ("hosts", "resolv"):
        if not os.path.exists(file_of(box, name)):
            with open(file_of(box, name), "w", encoding="ascii") as file:
                file.write("old\nkept\n")
    nothing: dict[str, Any] = {
        "network": NONE,
        **{name: [] for name in ("host", "container", "after", "undo", "undo_container", "events")},
        "hosts": {"path": file_of(box, "hosts"), "remove": [], "add": []},
        "resolv_conf": {"path": file_of(box, "resolv"), "before": "", "after": ""},
        "companions": {},
    }
    return {**nothing, **fields}


def network_of(box) -> dict[str, Any]:
    with open(file_of(box, "bundle.json"), encoding="utf-8") as file:
        network: dict[str, Any] = json.load(file)["network"]
    return network


def text_of(box, name: str) -> str:
    with open(file_of(box, name), encoding="ascii") as file:
        return file.read()


async def test_the_bundle_has_the_new_networks(living):
    new = {**NONE, "endpoints": [{"network": "n1"}]}
    await ask(living, "network", **wanted(living, network=new, companions={"end": []}))
    assert network_of(living) == new


async def test_what_is_refused_is_undone_and_the_bundle_as_before(living):
    request = wanted(living, network={**NONE, "endpoints": []}, host=UNKNOWN)
    with pytest.raises(EngineError, match="changing the container's networks: no interface no0"):
        await ask(living, "network", **request)
    assert network_of(living) == NONE


async def test_a_taken_port_changes_nothing(living):
    with socket.socket() as taken:
        taken.bind(("127.9.8.7", 0))
        port = {"host_ip": "127.9.8.7", "host_port": taken.getsockname()[1], "protocol": "tcp"}
        with pytest.raises(EngineError, match="port is already allocated"):
            await ask(living, "network", **wanted(living, network={**NONE, "ports": [port]}))
    assert network_of(living) == NONE


async def test_ports_are_taken_and_given_back(living):
    port = {"host_ip": "127.9.8.7", "host_port": 21777, "protocol": "tcp"}
    await ask(living, "network", **wanted(living, network={**NONE, "ports": [port]}))
    with socket.socket() as other:
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.9.8.7", 21777))
        await ask(living, "network", **wanted(living))
        other.bind(("127.9.8.7", 21777))


async def test_lines_of_hosts_go_and_come_in_the_same_file(living):
    request = wanted(living, hosts={"path": file_of(living, "hosts"), "remove": ["old"], "add": ["new"]})
    inode = os.stat(file_of(living, "hosts")).st_ino
    await ask(living, "network", **request)
    assert text_of(living, "hosts") == "kept\nnew\n"
    assert os.stat(file_of(living, "hosts")).st_ino == inode


@pytest.mark.parametrize(("before", "left"), [("old\nkept\n", "new\n"), ("other\n", "old\nkept\n")])
async def test_a_resolv_conf_that_the_container_changed_stays(living, before, left):
    edit = {"path": file_of(living, "resolv"), "before": before, "after": "new\n"}
    await ask(living, "network", **wanted(living, resolv_conf=edit))
    assert text_of(living, "resolv") == left
