"""A health check that cannot begin leaves nothing behind."""

from __future__ import annotations

import os
import subprocess

import pytest

from engine.shim.loop import Loop
from engine.shim.probe import Probe

pytestmark = pytest.mark.root


def test_a_check_beside_a_container_that_has_ended_leaves_no_descriptor():
    ended = subprocess.Popen(["true"])
    init = os.pidfd_open(ended.pid)
    ended.wait()
    before, own = os.listdir("/proc/self/fd"), os.readlink("/proc/self/ns/pid_for_children")
    with pytest.raises(ProcessLookupError):
        Probe(Loop(), {"namespaces": ["pid"], "health": {"args": ["true"]}}, init, lambda *_: None)
    assert os.listdir("/proc/self/fd") == before
    assert os.readlink("/proc/self/ns/pid_for_children") == own
    os.close(init)
