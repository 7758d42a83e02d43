from __future__ import annotations

import signal

import pytest

pytestmark = pytest.mark.root
_ALONE = ("--network", "none")


def _shell(terminal, *options):
    shown = terminal("run", "-it", *_ALONE, "--name", "box", *options, "busybox", "sh")
    shown.wait_for("/ # ")
    return shown


def test_the_container_has_a_terminal_of_the_windows_size(terminal):
    shown = _shell(terminal, "--rm")
    shown.type("stty size; test -t 0 && echo terminal\r")
    shown.wait_for("\r\n30 100\r\n")
    shown.wait_for("terminal\r\n")
    shown.type("exit 7\r")
    assert shown.end() == 7


def test_a_new_size_arrives(terminal):
    shown = _shell(terminal, "--rm")
    shown.resize(40, 120)
    shown.type("sleep 0.3; stty size\r")
    shown.wait_for("\r\n40 120\r\n")


def test_interrupts_belong_to_the_container(terminal):
    shown = _shell(terminal, "--rm")
    shown.type("sh -c 'echo re''ady; exec sleep 1000'\r")
    shown.wait_for("ready\r\n")  # by now the shell has left its line editing, where ctrl-c is a letter
    shown.type("\x03")
    shown.wait_for("/ # ")
    shown.type("echo code $?\r")
    shown.wait_for("code 130\r\n")


def test_the_terminal_is_raw_inside_and_as_before_after(terminal):
    shown = _shell(terminal, "--rm")
    assert shown.mode != shown.mode_before
    shown.type("exit\r")
    shown.end()
    assert shown.mode == shown.mode_before


def test_detach_keys_leave_the_container_running(terminal, tuidock):
    shown = _shell(terminal)
    shown.type("\x10\x11")
    assert shown.end() == 0
    assert shown.mode == shown.mode_before
    assert tuidock.ok("ps", "--format", "{{.Names}}") == "box\n"


def test_other_detach_keys_may_be_chosen_and_attach_comes_back(terminal, tuidock):
    _shell(terminal, "--detach-keys", "ctrl-a,x").type("marker=42\r\x01x")
    shown = terminal("attach", "--detach-keys", "ctrl-b", "box")
    shown.type("echo $marker\r")
    shown.wait_for("42\r\n")
    shown.type("\x02")
    shown.wait_for("read escape sequence\r\n")
    assert shown.end() == 1


def test_detach_keys_leave_an_exec_session(terminal, tuidock):
    tuidock.ok("run", "-d", *_ALONE, "--name", "box", "busybox", "sleep", "1000")
    shown = terminal("exec", "-it", "box", "sh")
    shown.wait_for("/ # ")
    shown.type("\x10\x11")
    shown.wait_for("read escape sequence\r\n")
    assert shown.end() == 1


def test_without_input_an_interrupt_is_passed_on(terminal):
    script = "trap 'echo told; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    shown = terminal("run", "-t", "--rm", *_ALONE, "busybox", "sh", "-c", script)
    shown.wait_for("ready")
    shown.process.send_signal(signal.SIGINT)
    shown.wait_for("told")
    assert shown.end() == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_deadly_signal_restores_the_terminal(terminal, tuidock, number):
    shown = _shell(terminal)
    shown.process.send_signal(number)
    assert shown.end() == -number
    assert shown.mode == shown.mode_before
    assert tuidock.ok("ps", "--format", "{{.Names}}") == "box\n"


def test_exec_has_a_terminal_too(terminal, tuidock):
    tuidock.ok("run", "-d", *_ALONE, "--name", "box", "busybox", "sleep", "1000")
    shown = terminal("exec", "-it", "box", "sh")
    shown.wait_for("/ # ")
    shown.type("stty size\r")
    shown.wait_for("\r\n30 100\r\n")
    shown.type("exit 3\r")
    assert shown.end() == 3
    assert shown.mode == shown.mode_before


def test_a_build_repaints_its_steps(terminal, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo hello\n")
    shown = terminal("build", "-t", "built:1", str(tmp_path))
    assert shown.end() == 0
    assert "[+] Building" in shown.shown
    assert "(2/2) FINISHED" in shown.shown
    assert "naming to built:1" in shown.shown


def test_an_interrupt_at_a_question_is_an_answer(terminal):
    shown = terminal("container", "prune")
    shown.wait_for("[y/N] ")
    shown.process.send_signal(signal.SIGINT)
    assert shown.end() == 130
