"""Exec sessions from the command line: left, found again, joined, ended."""

from __future__ import annotations

import pytest

from tests.support.command_line import CommandLine

pytestmark = pytest.mark.root


@pytest.fixture
def tuidock(paths, engine, busybox_image):
    made = CommandLine(paths)
    made.ok("run", "-d", "--network", "none", "--name", "box", "busybox", "sleep", "1000")
    return made


def _session(tuidock) -> str:
    return tuidock.ok("container", "execs", "-aq", "box").split()[0]


def test_detach_keys_leave_a_session_that_attach_comes_back_to(tuidock, terminal):
    first = terminal("exec", "-it", "box", "sh")
    first.wait_for("/ # ")
    first.type("marker=42\r\x10\x11")
    assert first.end() == 1
    again = terminal("attach", "--exec", _session(tuidock), "box")
    again.type("echo it is $marker; exit 3\r")
    again.wait_for("it is 42")
    assert again.end() == 3


def test_a_line_that_drops_loses_nothing(tuidock, terminal):
    first = terminal("exec", "-it", "box", "sh", "-c", "echo ready; read x; echo af''ter $x; exit 5")
    first.wait_for("ready")
    first.type("word")
    first.wait_for("word")
    first.process.kill()
    first.process.wait()
    session = _session(tuidock)
    second = terminal("attach", "--exec", session, "box")
    second.wait_for("ready")
    second.type("\r")
    second.wait_for("after word")
    assert second.end() == 5
    listed = tuidock.ok("container", "execs", "-a", "--format", "{{.ID}} {{.Status}}", "box")
    assert listed == f"{session} Exited (5)\n"


def test_a_detached_session_is_listed_inspected_and_read(tuidock):
    tuidock.ok("exec", "-d", "box", "sh", "-c", "echo said; sleep 1000")
    session = _session(tuidock)
    assert tuidock.ok("inspect", "-f", "{{json .ExecIDs}}", "box").startswith(f'["{session}')
    tuidock.ok("kill", "box")
    tuidock.ok("wait", "box")
    assert tuidock.ok("container", "execs", "-a", "-q", "box") == ""


def test_a_session_that_is_none_is_named(tuidock):
    run = tuidock("attach", "--no-stdin", "--exec", "beef", "box")
    assert (run.returncode, run.stderr.splitlines()[0]) == (1, "tuidock: No such exec instance: beef")


def test_logs_are_rotated_and_read_as_one(tuidock):
    run = (
        "run",
        "--network",
        "none",
        "--name",
        "rotated",
        "--log-opt",
        "max-size=64k",
        "--log-opt",
        "max-file=3",
    )
    tuidock.ok(*run, "busybox", "seq", "1", "30000")
    lines = tuidock.ok("logs", "rotated").split()
    assert lines == [str(number) for number in range(30001 - len(lines), 30001)]
    assert len(lines) > 15000
    path = tuidock.ok("inspect", "-f", "{{.LogPath}} {{json .HostConfig.LogConfig}}", "rotated")
    assert path.endswith('/log {"Type":"local","Config":{"max-size":"64k","max-file":"3"}}\n')
    tuidock.ok("rm", "rotated")


def test_a_container_without_a_log_says_so(tuidock):
    run = ("run", "--network", "none", "--name", "silent", "--log-driver", "none", "busybox", "echo", "hi")
    assert tuidock.ok(*run) == "hi\n"
    asked = tuidock("logs", "silent")
    assert "configured logging driver does not support reading" in asked.stderr


def test_details_stand_before_each_line(tuidock):
    options = ("--log-driver", "json-file", "--log-opt", "labels=a", "-l", "a=1")
    tuidock.ok("run", "--network", "none", "--name", "named", *options, "busybox", "echo", "hi")
    assert tuidock.ok("logs", "--details", "named") == "a=1 hi\n"


def test_a_piped_input_that_ends_does_not_end_the_containers(tuidock):
    tuidock.ok("run", "-di", "--network", "none", "--name", "cat", "busybox", "cat")
    with tuidock.start("attach", "cat") as attached:
        attached.stdin.write(b"hi\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == b"hi\n"
        attached.stdin.close()
        again = tuidock.ok("ps", "-q", "--filter", "name=cat")
        attached.kill()
    assert again != ""
