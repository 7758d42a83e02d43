"""The interface in a real terminal: lending it, signals, a terminal that stopped reading."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from engine.engine import Engine
from engine.options import CreateOptions
from engine.paths import Paths
from engine.records import Container, Image
from tests.tui.real_terminal import Tmux, gone

pytestmark = pytest.mark.root

_WAIT = ("sh", "-c", "while :; do sleep 1; done")


@pytest.fixture
async def web(engine: Engine, busybox_image: Image) -> Container:
    container = await engine.containers.create(
        CreateOptions(image="busybox", name="web", command=_WAIT, network="none")
    )
    await engine.containers.start(container.id)
    return await engine.containers.get(container.id)


@pytest.fixture
def terminal(paths: Paths, web: Container) -> Iterator[Tmux]:
    tmux = Tmux(paths)
    yield tmux
    tmux.close()


async def test_exec_has_the_real_terminal_through_a_flood_of_events_and_gives_it_back(
    paths: Paths, engine: Engine, web: Container, terminal: Tmux
):
    await asyncio.to_thread(terminal.shows, "● running")
    terminal.send("e")
    await asyncio.to_thread(terminal.shows, "/ #")
    terminal.send("echo in the $((6*7)) shell", "Enter")
    await asyncio.to_thread(terminal.shows, "in the 42 shell")
    # far more changes than Textual's queue of 30 writes would hold
    for number in range(80):
        await engine.containers.rename(web.id, f"web-{number}")
    await asyncio.sleep(1)
    screen = terminal.text
    assert "web-" not in screen
    assert "STATE" not in screen
    terminal.send("stty size; exit", "Enter")
    await asyncio.to_thread(terminal.shows, "exec in web: ended with exit code 0")
    await asyncio.to_thread(terminal.shows, "web-79")
    terminal.send("q")
    await asyncio.to_thread(terminal.shows, "1 container goes on")
    await asyncio.to_thread(terminal.shows, "code=0")


async def test_the_shell_has_the_whole_window(terminal: Tmux):
    await asyncio.to_thread(terminal.shows, "● running")
    terminal.send("e")
    await asyncio.to_thread(terminal.shows, "/ #")
    terminal.send("stty size", "Enter")
    await asyncio.to_thread(terminal.shows, "36 120")
    terminal.send("exit", "Enter")
    await asyncio.to_thread(terminal.shows, "exec in web: ended")


async def test_ctrl_c_in_the_lent_terminal_is_the_shell_s(terminal: Tmux):
    await asyncio.to_thread(terminal.shows, "● running")
    terminal.send("e")
    await asyncio.to_thread(terminal.shows, "/ #")
    terminal.send("echo $((6*7)); sleep 100", "Enter")
    await asyncio.to_thread(terminal.shows, "42")  # the shell has left its line editor, which reads ^C itself
    terminal.send("C-c")
    terminal.send("echo still $((1+1)) here", "Enter")
    await asyncio.to_thread(terminal.shows, "still 2 here")
    terminal.send("exit", "Enter")
    await asyncio.to_thread(terminal.shows, "exec in web: ended")


async def test_attach_detaches_by_its_keys_and_the_container_goes_on(
    engine: Engine, web: Container, terminal: Tmux
):
    container = await engine.containers.create(
        CreateOptions(
            image="busybox", name="shell", command=("sh",), tty=True, stdin_open=True, network="none"
        )
    )
    await engine.containers.start(container.id)
    await asyncio.to_thread(terminal.shows, "shell")
    terminal.send("g", "a")
    terminal.send("Enter")
    await asyncio.to_thread(terminal.shows, "/ #")
    terminal.send("C-p", "C-q")
    await asyncio.to_thread(terminal.shows, "attach to shell: left, it goes on")
    assert (await engine.containers.get(container.id)).state.running


async def test_ctrl_c_leaves_an_attached_container_without_a_tty_and_typed_keys_do_nothing(
    engine: Engine, web: Container, terminal: Tmux
):
    await asyncio.to_thread(terminal.shows, "● running")
    terminal.send("a")
    await asyncio.to_thread(terminal.shows, "web: ctrl-c leaves it, and it goes on")
    await asyncio.sleep(1)  # it says so before it listens
    terminal.send("d", "y", "C-p")
    terminal.send("C-c")
    await asyncio.to_thread(terminal.shows, "attach to web: left, it goes on")
    await asyncio.sleep(0.5)
    assert "remove: web" not in terminal.text
    assert (await engine.containers.get(web.id)).state.running


async def test_sighup_ends_the_interface_at_once_and_containers_go_on(
    engine: Engine, web: Container, terminal: Tmux
):
    await asyncio.to_thread(terminal.shows, "● running")
    pid = terminal.tuidock
    os.kill(pid, signal.SIGHUP)
    assert gone(pid, 1.0)
    assert (await engine.containers.get(web.id)).state.running


async def test_sigterm_leaves_the_terminal_as_it_was(terminal: Tmux):
    await asyncio.to_thread(terminal.shows, "● running")
    os.kill(terminal.tuidock, signal.SIGTERM)
    await asyncio.to_thread(terminal.shows, "code=143")
    terminal.send("stty -a | grep -o ' icanon'; echo typed", "Enter")
    await asyncio.to_thread(terminal.shows, " icanon")


async def test_an_interface_whose_terminal_stopped_reading_dies_of_sighup(
    paths: Paths, engine: Engine, web: Container
):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tuidock", "--root", paths.root],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TUIDOCK_RUN": paths.run, "TERM": "xterm-256color", "XDG_CONFIG_HOME": paths.run},
        start_new_session=True,
    )
    os.close(slave)
    try:
        os.read(master, 1)
        # nobody reads any more: the writer blocks, and then the event loop
        for number in range(60):
            await engine.containers.rename(web.id, f"web-{number}")
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        begun = time.monotonic()
        assert await asyncio.to_thread(process.wait, 10) == -signal.SIGHUP
        assert time.monotonic() - begun < 1
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert (await engine.containers.get(web.id)).state.running
