"""Owns what is measured: one group of cases for each thing that people wait for."""

from __future__ import annotations

import os
import sys
import tarfile
from typing import TYPE_CHECKING

from bench.measure import Case
from bench.memory import IdleContainers
from bench.network import network_cases
from bench.peers import IMAGE
from bench.registry import registry_cases
from bench.terminal import first_paint
from bench.warm import WarmEngine
from tests.support.netlab_servers import add_program
from tests.support.trees import make_busybox_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.peers import Peer

_STEPS = 20
_LINES = "2000000"
_CONTAINERS = 1_000
_AT_ONCE = 100
"""Names in one command line while they are removed."""
_OBEYS = "trap 'exit 0' TERM; while :; do sleep 0.01; done"


def import_image(peers: list[Peer], folder: str, programs: Mapping[str, str]) -> list[Peer]:
    """Give every peer the same image, from the same tar of the machine's busybox; those that took it.

    ``programs`` are more of the machine's, by the name that they get.
    """
    tree = f"{folder}/rootfs-{len(programs)}"
    if not os.path.exists(tree):
        make_busybox_tree(tree)
    for name, source in programs.items():
        add_program(tree, source, name)
    archive = f"{tree}.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tree, arcname=".")
    ready = []
    for peer in peers:
        try:
            peer.call("import", archive, IMAGE)
        except RuntimeError as error:
            print(f"bench: {error}: it is left out", file=sys.stderr)
            continue
        ready.append(peer)
    return ready


def groups(folder: str) -> dict[str, list[Case]]:
    """The cases by the name that ONLY= takes; files that they need are made below ``folder``."""
    return {
        "run": [*_run_cases(), _exec_case(), _stop_case()],
        "warm": _warm_cases(),
        "idle": _idle_cases(),
        "output": _output_cases(),
        "ps": [_list_case()],
        "build": _build_cases(folder),
        "network": network_cases(),
        "registry": registry_cases(folder),
        "tui": [Case("tui", "TUI: start to first full paint", 10, timer=first_paint, only="tuidock")],
    }


def _run_cases() -> list[Case]:
    return [
        Case(
            "run-none",
            "run --rm --network none IMAGE true",
            20,
            lambda _peer: ("run", "--rm", "--network", "none", IMAGE, "true"),
        ),
        Case("run-bridge", "run --rm IMAGE true", 20, lambda _peer: ("run", "--rm", IMAGE, "true")),
    ]


def _exec_case() -> Case:
    return Case(
        "exec",
        "exec CONTAINER true",
        20,
        lambda _peer: ("exec", "bench-exec", "true"),
        prepare=lambda peer: _call(
            peer, "run", "-d", "--name", "bench-exec", "--network", "none", IMAGE, "sleep", "3600"
        ),
        finish=lambda peer: _call(peer, "rm", "-f", "bench-exec"),
    )


def _stop_case() -> Case:
    """The process looks every 10 ms whether it should end: what is more than that is the engine's."""
    return Case(
        "stop",
        "stop CONTAINER, whose process obeys",
        10,
        lambda _peer: ("stop", "bench-stop"),
        before=lambda peer: _call(
            peer, "run", "-d", "--rm", "--name", "bench-stop", "--network", "none", IMAGE, "sh", "-c", _OBEYS
        ),
    )


def _warm_cases() -> list[Case]:
    cases = []
    for network in ("none", "bridge"):
        engine = WarmEngine(network)
        cases.append(
            Case(
                f"warm-{network}",
                f"create, start and wait in a running engine, network {network}",
                20,
                prepare=engine.start,
                timer=engine.run,
                finish=engine.stop,
                only="tuidock",
            )
        )
    return cases


def _idle_cases() -> list[Case]:
    cases = []
    for count in (1, 10):
        idle = IdleContainers(count)
        cases.append(
            Case(
                f"idle-{count}",
                f"memory (PSS) of what looks after one of {count} idle containers, daemons apart",
                3,
                prepare=idle.start,
                timer=idle.megabytes,
                finish=idle.stop,
                unit="MB",
            )
        )
    return cases


def _output_cases() -> list[Case]:
    def fill(peer: Peer) -> None:
        peer.call("run", "-d", "--name", "bench-logs", "--network", "none", IMAGE, "seq", "1", _LINES)
        peer.call("wait", "bench-logs")

    return [
        Case(
            "output",
            f"run --rm IMAGE seq 1 {_LINES}",
            5,
            lambda _peer: ("run", "--rm", "--network", "none", IMAGE, "seq", "1", _LINES),
        ),
        Case(
            "logs",
            f"logs of {_LINES} lines",
            5,
            lambda _peer: ("logs", "bench-logs"),
            prepare=fill,
            finish=lambda peer: _call(peer, "rm", "-f", "bench-logs"),
        ),
    ]


def _list_case() -> Case:
    names = [f"bench-ps-{number}" for number in range(_CONTAINERS)]

    def fill(peer: Peer) -> None:
        for name in names:
            peer.call("create", "--name", name, "--network", "none", IMAGE, "true")

    def clear(peer: Peer) -> None:
        for first in range(0, _CONTAINERS, _AT_ONCE):
            peer.call("rm", "-f", *names[first : first + _AT_ONCE])

    what = f"ps -a with {_CONTAINERS} containers"
    return Case("ps", what, 20, lambda _peer: ("ps", "-a"), prepare=fill, finish=clear)


def _build_cases(folder: str) -> list[Case]:
    context = f"{folder}/context"
    os.makedirs(context)
    steps = "".join(f"RUN echo {number} > /step-{number}\n" for number in range(_STEPS))
    with open(f"{context}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(f"FROM {IMAGE}\n{steps}")
    name = "bench-build:latest"
    return [
        Case(
            "build",
            f"build --no-cache, {_STEPS} RUN steps",
            5,
            lambda _peer: ("build", "--no-cache", "-t", name, context),
        ),
        Case(
            "build-cached",
            f"build, {_STEPS} RUN steps, all cached",
            10,
            lambda _peer: ("build", "-t", name, context),
        ),
    ]


def _call(peer: Peer, *arguments: str) -> None:
    peer.call(*arguments)
