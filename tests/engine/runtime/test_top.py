from __future__ import annotations

import os
import subprocess

import pytest

from engine.errors import InvalidInput
from engine.runtime.top import full_table, parsed

PS = "PID   COMMAND\n    1 init\n   22 sh -c  x y \n  222 other\n"


def test_only_the_containers_rows_are_taken():
    assert parsed(PS, (22,)).rows == (("22", "sh -c  x y"),)


def test_titles_without_a_pid_are_refused():
    with pytest.raises(InvalidInput, match="Couldn't find PID field in ps output"):
        parsed("COMMAND\ninit\n", (1,))


def test_a_process_of_ours_is_as_ps_shows_it():
    (row,) = full_table((os.getpid(),)).rows
    assert (row[1], row[2]) == (str(os.getpid()), str(os.getppid()))
    assert "python" in row[-1] or "pytest" in row[-1]


def test_a_process_that_has_ended_has_no_row():
    assert full_table((1 << 22,)).rows == ()


def test_what_a_process_calls_itself_is_printable():
    script = "echo up; read x; : '\x1b]0;title\x07\n'"
    process = subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # from its exec on its arguments are there a moment later only
    (row,) = full_table((process.pid,)).rows
    process.communicate()
    assert row[-1] == "/bin/sh -c echo up; read x; : '?]0;title??'"
