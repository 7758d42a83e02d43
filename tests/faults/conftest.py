"""Owns the fixture of the faults that are made from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from engine.paths import Paths


@pytest.fixture
def tuidock(paths: Paths) -> CommandLine:
    command_line = CommandLine(paths)
    command_line.ok("image", "bootstrap", "busybox")
    return command_line
