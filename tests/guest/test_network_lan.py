"""Interfaces that many kernels do not make (ipvlan, VLANs, dummies): a guest's does, where ``TUIDOCK_GUEST`` names one.

The very tests that are skipped where they cannot be done. Such a program is described in
``tests/guest/test_cgroup_v2.py``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import msgspec
import pytest

from tests.support.project import ROOT

_LIBRARIES = os.path.dirname(os.path.dirname(os.path.abspath(msgspec.__file__)))
_TESTS = "tests/integration/test_network_messages.py tests/integration/test_network_lan.py"
_CHOSEN = "ipvlan_is_born or ipvlan_containers or vlan_is_made or vlan_comes or dummy or without_a_parent"


def test_interfaces_that_not_every_kernel_makes():
    rig = os.environ.get("TUIDOCK_GUEST")
    if not rig:
        pytest.skip(
            "NEEDS A GUEST: TUIDOCK_GUEST names a program that boots one with ipvlan, VLANs and dummies"
        )
    path = f"PYTHONPATH=/share{ROOT}:/share{_LIBRARIES} PYTHONDONTWRITEBYTECODE=1"
    command = f"cd /share{ROOT} && {path} python3 -m pytest -q -p no:cacheprovider {_TESTS} -k {shlex.quote(_CHOSEN)}"
    done = subprocess.run(
        [*shlex.split(rig), "--share", "/", "--", command],
        stdout=subprocess.PIPE,
        text=True,
        timeout=280,
        check=False,
    )
    assert re.search(r"^\d+ passed, \d+ deselected in", done.stdout, re.MULTILINE), done.stdout
