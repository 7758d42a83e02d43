from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.shim import linux
from engine.shim.seccomp_compiler import compile_filter
from tests.support.seccomp import ALLOW

_EINVAL = 0x00050000 | 22
_EQ = 4
_LOAD = """
import sys; sys.path[:0] = ["."]
from engine.shim import linux, seccomp
from engine.shim.refusal import Refusal, Stage
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
for path in sys.argv[1:]:
    wanted = seccomp.Filter({"path": path, "flags": 0}, Stage("test"))
    wanted.capabilities = linux.capget()
    try:
        wanted.load(Stage("test"))
    except Refusal as refusal:
        print(refusal.body["fields"]["reason"], refusal.body["fields"]["remedy"], sep="|")
"""


def _written(folder: Path, name: str, *rules: object) -> str:
    made = compile_filter({"architectures": [os.uname().machine], "default_action": ALLOW, "rules": rules})
    (folder / name).write_bytes(base64.b64decode(str(made["program"])))
    return str(folder / name)


def test_a_kernel_without_filters_is_told_of_with_the_way_out(tmp_path):
    """The first filter makes of this kernel one that has no second."""
    none = _written(
        tmp_path,
        "none",
        (["seccomp"], _EINVAL, []),
        (["prctl"], _EINVAL, [[0, _EQ, linux.PR_GET_SECCOMP, 0]]),
    )
    other = _written(tmp_path, "other", (["mkdir"], _EINVAL, []))
    run = subprocess.run(
        [sys.executable, "-c", _LOAD, none, other], capture_output=True, text=True, check=True
    )
    reason, remedy = run.stdout.strip().split("|")
    assert reason == "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"
    assert "--security-opt seccomp=unconfined" in remedy


def test_a_program_that_is_none_is_not_taken_for_a_kernel_without(tmp_path):
    (tmp_path / "bad").write_bytes(bytes(8))
    run = subprocess.run(
        [sys.executable, "-c", _LOAD, str(tmp_path / "bad")], capture_output=True, text=True, check=False
    )
    assert "OSError: [Errno 22]" in run.stderr


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_without_a_filter_no_capability_is_kept_for_it(no_new_privileges):
    from engine.shim.refusal import Stage
    from engine.shim.seccomp import Filter

    assert Filter(None, Stage("test")).needs(no_new_privileges=no_new_privileges) == 0
