from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from engine.options import CreateOptions

_CODE = """
import atexit, json, os, sys
sys.argv = ["tuidock", *{arguments!r}]
leave, own = os._exit, os.getpid()
def report(code):
    if os.getpid() == own:  # the spawner is a fork of this process
        open({report!r}, "w").write(json.dumps(sorted(sys.modules)))
    leave(code)
os._exit = report
from tuidock.__main__ import main
main()
"""
_HEAVY = frozenset(
    "ssl pyroute2 zstandard isal dockerfile_parse argparse tarfile aiofiles textual rich hmac random".split()
)
_LOOP = frozenset({"asyncio", "concurrent.futures", "logging", "subprocess", "inspect"})
_STARTING = frozenset(
    "engine.containers.creation engine.containers.running engine.networks engine.runtime.bundle"
    " engine.runtime.seccomp engine.store.image_records ctypes hashlib".split()
)
"""What only the start of a container needs."""

_BEGUN = frozenset({"engine/build/workbench.py"})
"""Where a loop runs because whoever calls, the build, has begun it."""


def modules_of(paths, tmp_path, *arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    report = tmp_path / "modules.json"
    code = _CODE.format(arguments=arguments, report=str(report))
    environ = {**os.environ, "TUIDOCK_ROOT": paths.root, "TUIDOCK_RUN": paths.run}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environ, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(report.read_text()))


def test_whoever_uses_asyncio_sees_to_a_loop_first():
    """A verb of the command line may come there without one: see ``engine.loop``."""
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    offenders = []
    for folder in ("engine", "tuidock/cli"):
        for parent, _, names in os.walk(f"{top}/{folder}"):
            for name in names:
                path = os.path.relpath(f"{parent}/{name}", top)
                if name.endswith(".py") and path not in _BEGUN:
                    with open(f"{top}/{path}", encoding="utf-8") as file:
                        text = file.read()
                    if "await asyncio." in text and ".begin()" not in text and ".begun()" not in text:
                        offenders.append(path)
    assert offenders == []


@pytest.mark.root
def test_a_command_imports_no_textual(paths, tmp_path):
    modules = modules_of(paths, tmp_path, "ps")
    assert {"textual", "rich"} & modules == set()


@pytest.mark.root
@pytest.mark.parametrize("arguments", [("ps",), ("images",), ("volume", "ls"), ("network", "ls")])
def test_a_list_imports_nothing_heavy(paths, tmp_path, arguments):
    assert _HEAVY & modules_of(paths, tmp_path, *arguments) == set()


@pytest.mark.root
@pytest.mark.parametrize("arguments", [("ps", "-a"), ("images",), ("volume", "ls")])
def test_a_list_waits_for_nothing_and_imports_no_loop(paths, tmp_path, arguments):
    assert _LOOP & modules_of(paths, tmp_path, *arguments) == set()


@pytest.mark.root
def test_a_list_of_containers_imports_nothing_that_starts_them(paths, tmp_path):
    assert _STARTING & modules_of(paths, tmp_path, "ps", "-a") == set()


@pytest.mark.root
@pytest.mark.parametrize("arguments", [("exec", "it", "true"), ("kill", "-s", "CONT", "it"), ("pause", "it")])
async def test_what_is_done_to_a_live_container_imports_neither_a_loop_nor_what_starts_one(
    engine, busybox_image, tmp_path, arguments
):
    options = CreateOptions(image="busybox", command=("sleep", "1000"), network="none", name="it")
    container = await engine.containers.create(options)
    await engine.containers.start(container.id)
    modules = modules_of(engine.paths, tmp_path, *arguments)
    assert (_HEAVY | _LOOP | _STARTING) & modules == set()


@pytest.mark.root
@pytest.mark.parametrize("network", ["none", "bridge"])
def test_a_run_imports_nothing_heavy_and_no_worker_s_code(engine, busybox_image, tmp_path, network):
    modules_of(engine.paths, tmp_path, "run", "--rm", "--network", network, "busybox", "true")
    # the second time: the first has compiled the network's messages, with pyroute2
    modules = modules_of(engine.paths, tmp_path, "run", "--rm", "--network", network, "busybox", "true")
    rooms = {"engine.layer", "engine.build", "engine.dockerfile", "engine.archive", "engine.shim.supervisor"}
    assert (_HEAVY | rooms | {"hashlib", "ctypes"}) & modules == set()


@pytest.mark.root
def test_publishing_ports_compiles_no_message_where_there_is_a_bridge(engine, busybox_image, tmp_path):
    published = ("-p", "80", "-p", "0:53/udp", "-p", "127.0.0.1::81", "-P", "--expose", "7000-7010")
    modules_of(engine.paths, tmp_path, "run", "--rm", "busybox", "true")
    modules = modules_of(engine.paths, tmp_path, "run", "--rm", *published, "busybox", "true")
    assert "pyroute2" not in modules


@pytest.mark.root
def test_a_list_forgets_what_removed_itself_without_a_loop(engine, busybox_image, tmp_path):
    modules_of(engine.paths, tmp_path, "run", "--rm", "--network", "none", "busybox", "true")
    assert _LOOP & modules_of(engine.paths, tmp_path, "ps", "-a") == set()
