from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from engine.bootstrap.elf import is_static_executable, printing_executable
from engine.errors import InvalidInput
from engine.oci import platform


def test_the_executable_prints_its_text_and_succeeds(tmp_path):
    program = tmp_path / "hello"
    program.write_bytes(printing_executable(b"one\ntwo\n", platform.host().architecture))
    program.chmod(0o755)
    finished = subprocess.run([program], capture_output=True, check=True)
    assert finished.stdout == b"one\ntwo\n"


def test_both_architectures_name_their_machine_in_the_header():
    machines = {name: printing_executable(b"x", name)[18:20] for name in ("amd64", "arm64")}
    assert machines == {"amd64": (62).to_bytes(2, "little"), "arm64": (183).to_bytes(2, "little")}


@pytest.mark.skipif(
    shutil.which("qemu-aarch64-static") is None, reason="qemu-aarch64-static is not installed"
)
def test_the_aarch64_executable_runs_under_emulation(tmp_path):
    program = tmp_path / "hello"
    program.write_bytes(printing_executable(b"from arm\n", "arm64"))
    program.chmod(0o755)
    finished = subprocess.run(["qemu-aarch64-static", program], capture_output=True, check=True)
    assert finished.stdout == b"from arm\n"


def test_an_unknown_architecture_is_refused():
    with pytest.raises(InvalidInput):
        printing_executable(b"x", "pdp11")


def test_our_own_executable_counts_as_static():
    assert is_static_executable(printing_executable(b"x", "amd64"))


def test_a_dynamic_executable_is_told_apart():
    with open(os.path.realpath("/bin/ls"), "rb") as file:
        assert not is_static_executable(file.read(4096))


def test_a_script_is_no_static_executable():
    assert not is_static_executable(b"#!/bin/sh\n" + b" " * 100)
