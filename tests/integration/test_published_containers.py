"""Real containers behind a published port, from start to kill -9, on a host that is a namespace."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from engine.paths import Paths
from tests.support.leftovers import leftovers
from tests.support.netlab import HOST_ADDRESS, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

PAGE = "hello from web"


@pytest.fixture
def lab(short_folder: str) -> Iterator[Lab]:
    made = Lab(short_folder)
    yield made
    made.networks("engine", "remove")
    found = leftovers(Paths(root=f"{short_folder}/root", run=f"{short_folder}/run"))
    made.close()
    assert found == []


@pytest.fixture
def web(lab: Lab) -> dict[str, Any]:
    container: dict[str, Any] = lab.networks("engine", "run")
    return container


def fetch(lab: Lab, netns: str, address: str) -> str:
    return lab.python(netns, "fetch", f"http://{address}:8080/").strip()


def supervisor_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_page_is_served_to_another_host(lab: Lab, web: dict[str, Any]) -> None:
    assert fetch(lab, lab.client, HOST_ADDRESS) == PAGE


def test_page_is_served_at_127_0_0_1(lab: Lab, web: dict[str, Any]) -> None:
    assert fetch(lab, lab.host, "127.0.0.1") == PAGE


def test_page_is_served_after_a_restart(lab: Lab, web: dict[str, Any]) -> None:
    lab.networks("engine", "restart")
    assert fetch(lab, lab.client, HOST_ADDRESS) == PAGE


def test_page_is_served_after_the_supervisor_was_killed(lab: Lab, web: dict[str, Any]) -> None:
    os.kill(supervisor_of(web["state"]["pid"]), signal.SIGKILL)
    while os.path.exists(f"/proc/{web['state']['pid']}"):
        time.sleep(0.01)
    lab.networks("engine", "start")
    assert fetch(lab, lab.client, HOST_ADDRESS) == PAGE


def test_removed_container_leaves_no_rule(lab: Lab) -> None:
    container = lab.networks("engine", "run")
    assert container["id"][:12] in lab.nft("list", "tables")
    lab.networks("engine", "remove")
    left = lab.nft("list", "tables")
    lab.networks("engine", "run")
    assert container["id"][:12] not in left
