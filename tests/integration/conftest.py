"""Owns the fixtures of the tests that use the program: on the command line, and in a terminal."""

from __future__ import annotations

import pytest

from tests.support.command_line import CommandLine, InTerminal


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
