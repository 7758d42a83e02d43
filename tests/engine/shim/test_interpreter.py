"""What a container can reach of our interpreter is a clone of its mount that nobody can write through."""

from __future__ import annotations

import errno
import os
import stat
import struct
import subprocess
import sys

import pytest

from engine.shim import linux
from tests.support.supervisor import ask, kill

pytestmark = pytest.mark.root

HEADER = struct.Struct("=16sHHIQQQIHHHHHH")
PROGRAM = struct.Struct("=IIQQQQQQ")


def program(loader: str) -> bytes:
    """An x86-64 executable that is nothing but the name of its loader."""
    name, at = loader.encode() + b"\0", HEADER.size + 2 * PROGRAM.size
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = HEADER.pack(ident, 2, 62, 1, 0, HEADER.size, 0, 0, HEADER.size, PROGRAM.size, 2, 0, 0, 0)
    loads = PROGRAM.pack(1, 5, 0, 0, 0, at, at, 4096)
    return header + loads + PROGRAM.pack(3, 4, at, 0, 0, len(name), len(name), 1) + name


def with_the_hosts_libraries(bundle):
    """What our interpreter needs to come up inside: the attack's own tools, so to speak."""
    for folder in ("/lib", "/lib64", "/usr", sys.base_prefix):
        if os.path.isdir(folder):
            flags = ["rbind", "ro", "rprivate"]
            bundle["mounts"].append({"type": "bind", "source": folder, "target": folder, "flags": flags})
    bundle["process"]["env"] = [f"PYTHONHOME={sys.base_prefix}"]
    return bundle


ATTACK = (
    "import os\n"
    "for change in (lambda f: os.chmod(f, 0o755), lambda f: os.truncate(f, 1)):\n"
    " try: change('/proc/self/exe'); print('changed')\n"
    " except OSError as error: print(error.errno)\n"
)


async def test_the_interpreter_as_a_command_cannot_be_changed(box):
    bundle = with_the_hosts_libraries(box.bundle("/proc/self/exe", "-I", "-S", "-c", ATTACK))
    assert await box.execute(bundle) == (0, b"30\n30\n", b"")


@pytest.mark.parametrize("content", [b"#!/proc/self/exe\n" + ATTACK.encode(), program("/proc/self/exe")])
async def test_the_interpreter_of_a_program_cannot_be_changed(box, content):
    bundle = with_the_hosts_libraries(box.bundle("/trap"))
    path = f"{bundle['rootfs']['upper']}/trap"
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, stat.S_IRWXU)
    _, out, _ = await box.execute(bundle)
    assert b"changed" not in out


async def test_a_container_that_may_trace_finds_nothing_to_write_to(box):
    """CAP_SYS_PTRACE reaches what is not dumpable: here the supervisor, whose executable its forks share."""
    session = await box.start("sleep", "60")
    supervisor = (await ask(box, "status"))["supervisor_pid"]
    for change in (lambda path: os.chmod(path, 0o755), lambda path: os.truncate(path, 1)):
        with pytest.raises(OSError, match="Read-only file system"):
            change(f"/proc/{supervisor}/exe")
    await kill(box)
    await session.wait()


async def test_the_clone_cannot_be_made_writable_again(box):
    session = await box.start("sleep", "60")
    supervisor = (await ask(box, "status"))["supervisor_pid"]
    file = os.open(f"/proc/{supervisor}/exe", os.O_PATH)
    with pytest.raises(OSError) as caught:
        linux.mount_setattr(file, attr_clear=linux.MOUNT_ATTR_RDONLY, recursive=False)
    os.close(file)
    assert caught.value.errno == errno.EINVAL
    await kill(box)
    await session.wait()


async def test_the_clone_leads_to_nothing_but_the_interpreter(box):
    session = await box.start("sleep", "60")
    supervisor = (await ask(box, "status"))["supervisor_pid"]
    assert os.readlink(f"/proc/{supervisor}/exe") == "/"
    assert os.path.samefile(f"/proc/{supervisor}/exe", sys.executable)
    await kill(box)
    await session.wait()


def test_the_spawner_of_a_command_line_is_the_clone_too():
    code = (
        "import os, sys, time\n"
        "from engine.shim.spawner import fork_spawner\n"
        "connection = fork_spawner()\n"
        "children = f'/proc/self/task/{os.getpid()}/children'\n"
        "(pid, *_) = open(children).read().split()\n"
        "while os.readlink(f'/proc/{pid}/exe') != '/': time.sleep(0.01)\n"
        "print(bool(os.statvfs(f'/proc/{pid}/exe').f_flag & os.ST_RDONLY))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)
    assert done.stdout == b"True\n"
