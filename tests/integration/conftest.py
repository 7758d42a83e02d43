"""Owns the fixtures of the tests that use the program: on the command line, and in a terminal."""

from __future__ import annotations

import pytest

from engine.options import CreateNetworkOptions
from tests.support.command_line import CommandLine, InTerminal
from tests.support.members import FIXED, FIXED6


@pytest.fixture
def tuidock(paths, engine, busybox_image):
    return CommandLine(paths)


@pytest.fixture
def terminal(tuidock):
    opened = []

    def call(*arguments):
        opened.append(InTerminal(tuidock, *arguments))
        return opened[-1]

    yield call
    for shown in opened:
        shown.close()


@pytest.fixture
async def two_networks(engine, busybox_image):
    """``aa`` of both families with subnets that are known, and ``bb``."""
    subnets = (f"{FIXED}.0/24", f"{FIXED6}/64")
    await engine.networks.create(CreateNetworkOptions(name="aa", subnets=subnets, ipv6=True))
    await engine.networks.create(CreateNetworkOptions(name="bb"))


@pytest.fixture
async def inside_network(engine, two_networks):
    """``inside``, which leads nowhere."""
    await engine.networks.create(CreateNetworkOptions(name="inside", internal=True))
