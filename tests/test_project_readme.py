from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT, code_lines, section
from tuidock.keys import ACTIONS, GROUPS, shown_keys

_IMAGE = "tuidock image bootstrap busybox"


def key_table() -> str:
    """The README's table, from the one table of actions: ``python -m tests.test_project_readme`` prints it."""
    rows = ["| Keys | | What it does |", "|---|---|---|"]
    for group in GROUPS:
        rows += [
            f"| {' '.join(f'`{key}`' for key in shown_keys(action).split(' '))} | {action.label} | {action.help} |"
            for action in ACTIONS
            if action.group == group
        ]
    return "\n".join(rows)


def test_the_key_table_is_the_one_that_the_program_uses():
    assert key_table() in section("README.md", "Keys")


def test_the_picture_exists():
    (picture,) = re.findall(r"!\[[^]]*\]\(([^)]*\.svg)\)", Path(ROOT, "README.md").read_text())
    assert Path(ROOT, picture).read_text().startswith("<svg")


def test_every_path_that_the_readme_names_exists():
    text = Path(ROOT, "README.md").read_text() + Path(ROOT, "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:engine|tuidock|tests|bench|themes|examples|docs)/[\w./-]*)`", text))
    assert {path for path in named if not os.path.exists(os.path.join(ROOT, path))} == set()


@pytest.mark.root
@pytest.mark.parametrize(("heading", "before", "length"), [("A tour", (), 10), ("Networks", (_IMAGE,), 9)])
def test_the_tour_runs(paths, heading, before, length):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    search = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": search, "TUIDOCK_ROOT": paths.root, "TUIDOCK_RUN": paths.run}
    tour = [line.removeprefix("# ") for line in code_lines(section("README.md", heading))]
    assert len(tour) == length
    for line in (*before, *tour):
        command = line.replace("8080", str(port)).replace("/tmp/", f"{os.path.dirname(paths.root)}/")
        run = subprocess.run(
            ["sh", "-c", command],
            cwd=ROOT,
            env=environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert run.returncode == 0, f"{shlex.quote(line)}: {run.stderr}"


if __name__ == "__main__":
    print(key_table())
