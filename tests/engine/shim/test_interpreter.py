"""No way of naming our own interpreter as a program's makes the kernel load it."""

from __future__ import annotations

import os
import stat
import struct
import sys

import pytest

from engine import errors
from engine.shim import interpreter

HEADER = struct.Struct("=16sHHIQQQIHHHHHH")
PROGRAM = struct.Struct("=IIQQQQQQ")
OTHER = os.stat("/")
PYTHON = os.stat(sys.executable)


def program(loader: str) -> bytes:
    """An x86-64 executable that is nothing but the name of its loader."""
    name, at = loader.encode() + b"\0", HEADER.size + 2 * PROGRAM.size
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = HEADER.pack(ident, 2, 62, 1, 0, HEADER.size, 0, 0, HEADER.size, PROGRAM.size, 2, 0, 0, 0)
    loads = PROGRAM.pack(1, 5, 0, 0, 0, at, at, 4096)
    return header + loads + PROGRAM.pack(3, 4, at, 0, 0, len(name), len(name), 1) + name


def executable(path, content: bytes) -> str:
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("line", ["#!{}", "#! \t{}\t-x\n", "#!{} a b\n"])
def test_the_interpreter_of_a_script_is_seen(tmp_path, line):
    path = executable(tmp_path / "script", line.format(sys.executable).encode())
    assert interpreter.leads_to(path, PYTHON)
    assert not interpreter.leads_to(path, OTHER)


def test_the_interpreter_of_an_interpreter_is_seen(tmp_path):
    first = executable(tmp_path / "first", f"#!{sys.executable}\n".encode())
    second = executable(tmp_path / "second", f"#!{first}\n".encode())
    assert interpreter.leads_to(second, PYTHON)


def test_the_loader_of_a_program_is_seen(tmp_path):
    path = executable(tmp_path / "program", program(sys.executable))
    assert interpreter.leads_to(path, PYTHON)
    assert not interpreter.leads_to(path, OTHER)


def test_the_loader_of_this_very_program_is_found():
    with open("/proc/self/maps") as maps:
        libraries = {line.split()[-1] for line in maps if "/ld-" in line}
    assert all(interpreter.leads_to(sys.executable, os.stat(path)) for path in libraries)


@pytest.mark.parametrize("content", [b"", b"#!", b"#!\n", b"\x7fELF", b"\x7fELF\x02" + bytes(80), b"text"])
def test_what_names_nothing_leads_nowhere(tmp_path, content):
    assert not interpreter.leads_to(executable(tmp_path / "file", content), PYTHON)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        interpreter.leads_to(str(tmp_path / "none"), PYTHON)


@pytest.mark.root
@pytest.mark.parametrize("content", [b"#!/proc/self/exe\n", program("/proc/self/exe")])
async def test_the_hosts_interpreter_is_not_handed_to_a_container(box, content):
    bundle = box.bundle("/trap")
    path = f"{bundle['rootfs']['upper']}/trap"
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, stat.S_IRWXU)
    with pytest.raises(errors.CommandNotExecutable, match="permission denied"):
        await box.execute(bundle)
