from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

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


@pytest.mark.root
def test_a_command_imports_no_textual(paths, tmp_path):
    modules = modules_of(paths, tmp_path, "ps")
    assert {"textual", "rich"} & modules == set()


@pytest.mark.root
@pytest.mark.parametrize("arguments", [("ps",), ("images",), ("volume", "ls")])
def test_a_list_imports_nothing_heavy(paths, tmp_path, arguments):
    heavy = {
        "pyroute2",
        "zstandard",
        "isal",
        "dockerfile_parse",
        "argparse",
        "pathlib",
        "tarfile",
        "aiofiles",
    }
    assert heavy & modules_of(paths, tmp_path, *arguments) - {"pathlib"} == set()
