from __future__ import annotations

import os
import pty
import shutil
import signal
import stat
import subprocess

import pytest

from engine.runtime.init import find_init, is_own, own_init
from engine.runtime.init_program import program
from engine.runtime.machine_code import ARCHITECTURES, executable

_EMULATORS = {"aarch64": "qemu-aarch64-static", "x86_64": "qemu-x86_64-static"}


def command(path: str, architecture: str) -> list[str]:
    if architecture == os.uname().machine:
        return [path]
    emulator = shutil.which(_EMULATORS[architecture])
    if emulator is None:
        pytest.skip(f"NEEDS {_EMULATORS[architecture]}: nothing here runs {architecture}")
    return [emulator, path]


@pytest.fixture(params=ARCHITECTURES)
def init(request, tmp_path) -> list[str]:
    path = tmp_path / "init"
    path.write_bytes(executable(program(), request.param))
    path.chmod(0o755)
    return [*command(str(path), request.param), "--"]


def run(init, *argv: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*init, *argv], capture_output=True, timeout=20, check=False, **options)


@pytest.mark.parametrize("code", [0, 5, 255])
def test_it_ends_with_the_exit_code_of_the_command(init, code):
    assert run(init, "/bin/sh", "sh", "-c", f"exit {code}").returncode == code


def test_a_command_that_was_killed_gives_128_plus_the_signal(init):
    assert run(init, "/bin/sh", "sh", "-c", "kill -9 $$").returncode == 137


def test_the_command_gets_its_arguments_and_the_environment(init):
    done = run(init, "/bin/sh", "name", "-c", 'echo "$0 $1 $COLOUR"', "zero", "one", env={"COLOUR": "blue"})
    assert done.stdout == b"zero one blue\n"


def test_a_command_that_is_not_there_gives_127(init):
    assert run(init, "/nowhere/command", "command").returncode == 127


def test_one_that_cannot_be_executed_gives_126(init):
    assert run(init, "/etc", "etc").returncode == 126


def test_without_a_command_it_fails(init):
    assert run(init).returncode == 1


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "WINCH"])
def test_signals_are_passed_on_to_the_command(init, name):
    script = f"trap 'echo got; exit 3' {name}; echo ready; while :; do sleep 0.01; done"
    with subprocess.Popen([*init, "/bin/sh", "sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(getattr(signal, f"SIG{name}"))
        assert process.stdout.read() == b"got\n"
        assert process.wait() == 3


def test_the_command_begins_with_no_signal_blocked(init):
    done = run(init, "/bin/sh", "sh", "-c", "grep SigBlk /proc/self/status")
    assert done.stdout.split()[1] == b"0000000000000000"


def test_the_command_is_in_the_foreground_of_its_terminal(init):
    pid, master = pty.fork()
    if pid == 0:
        os.execv(init[0], [*init, "/bin/sh", "sh", "-c", "read line; echo got $line; stty -echo"])  # noqa: S606 - no shell is meant
    os.write(master, b"word\n")
    shown = b""
    while b"got word" not in shown:
        shown += os.read(master, 1024)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 0


def test_our_own_is_written_once_and_mended(paths):
    os.makedirs(paths.root)
    path = own_init(paths)
    written = os.stat(path)
    assert own_init(paths) == path
    assert os.stat(path).st_ino == written.st_ino
    assert stat.S_IMODE(written.st_mode) == 0o755
    with open(path, "ab") as file:
        file.write(b"damage")
    own_init(paths)
    assert os.path.getsize(path) == written.st_size


def test_what_is_found_needs_no_loader_of_the_image(paths):
    os.makedirs(paths.root)
    path = find_init(paths)
    listed = subprocess.run(["readelf", "-l", path], capture_output=True, check=True).stdout
    assert b"INTERP" not in listed
    assert is_own(own_init(paths))
    assert not is_own("/usr/bin/docker-init")
