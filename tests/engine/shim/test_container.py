"""What one container takes from the host, and what limits it has itself."""

from __future__ import annotations

import resource

import pytest

from engine.runtime.dialing import request
from engine.runtime.launcher import Launcher
from tests.engine.shim.conftest import finish
from tests.support.supervisor import joined, kill

pytestmark = pytest.mark.root


@pytest.fixture
async def narrow(box):
    """The box, started by somebody who may have 240 files open."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    given = box.launcher
    resource.setrlimit(resource.RLIMIT_NOFILE, (240, limits[1]))
    try:
        box.launcher = Launcher.open()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    yield box
    box.launcher.close()
    box.launcher = given


def publishing(count: int) -> dict[str, list[object]]:
    ports = [{"host_ip": "127.9.8.6", "host_port": 20000 + n, "protocol": "tcp"} for n in range(count)]
    return {"host": [], "container": [], "teardown": [], "ports": ports}


async def test_more_ports_than_files_that_the_caller_may_open(narrow):
    assert await narrow.run("sh", "-c", "ulimit -n", network=publishing(300)) == (0, b"240\n", b"")


async def test_a_limit_that_is_asked_for_counts(narrow):
    limits = {"rlimits": [["nofile", 100, 200]]}
    out = (await narrow.run("sh", "-c", "ulimit -n; ulimit -Hn", network=publishing(300), process=limits))[1]
    assert out == b"100\n200\n"


async def test_a_later_process_has_the_callers_limit_too(narrow):
    await narrow.launcher.supervise(narrow.bundle("sleep", "60", network=publishing(300)))
    session = await joined(narrow, "exec", args=["sh", "-c", "ulimit -n"])
    assert (await finish(session))[1] == b"240\n"
    assert (await request(narrow.last["socket_path"], {"op": "status"}))["status"] == "running"
    await kill(narrow)
