"""What the shim says where a kernel gives no user namespace."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.project import ROOT

pytestmark = pytest.mark.root

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from engine.shim import userns
from engine.shim.refusal import Refusal
with open("/proc/sys/user/max_user_namespaces", "w") as limit:
    limit.write("0")
try:
    userns.fork_init()
except Refusal as refusal:
    print(refusal.body["fields"]["stage"], refusal.body["fields"]["remedy"])
"""


def test_a_kernel_that_gives_no_user_namespace_is_explained():
    """In a namespace whose own limit is zero."""
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", PROGRAM, ROOT]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith("making a user namespace See /proc/sys/user/max_user_namespaces")
