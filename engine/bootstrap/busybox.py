"""Owns the busybox image: the machine's static busybox and its applets; refuses a dynamic one."""

from __future__ import annotations

import shutil
import subprocess

from engine.bootstrap.elf import is_static_executable
from engine.bootstrap.recipe import Entry, Recipe, write_root
from engine.errors import InvalidInput

_REMEDY = "install the static one (apt-get install busybox-static)"
_ELF_HEADERS = 4096
_PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
_GROUP = b"""\
root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
disk:x:6:
wheel:x:10:root
utmp:x:43:
www-data:x:33:
users:x:100:
nobody:x:65534:
"""
_FOLDERS = (
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("root", 0o700),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/sbin", 0o755),
    ("var", 0o755),
    ("var/spool", 0o755),
    ("var/www", 0o755),
)


def make(tag: str, staging: str, host_ca: bool) -> Recipe:
    """Write the image's tar into ``staging``; InvalidInput if the machine has no static busybox."""
    if host_ca:
        raise InvalidInput(
            "--host-ca", "busybox has no certificate store", remedy="leave it out, or use debian"
        )
    program = shutil.which("busybox")
    if program is None:
        raise InvalidInput("busybox", "is not installed on this machine", remedy=_REMEDY)
    with open(program, "rb") as file:
        content = file.read()
    if not is_static_executable(content[:_ELF_HEADERS]):
        raise InvalidInput(
            "busybox", f"{program} is not static, so it cannot run in a container", remedy=_REMEDY
        )
    path = f"{staging}/busybox.tar"
    write_root(path, _entries(content, _applets(program)))
    return Recipe(
        tar=path,
        name=f"busybox:{tag or 'latest'}",
        created_by="tuidock image bootstrap busybox",
        cmd=("sh",),
    )


def _applets(program: str) -> list[str]:
    listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    return sorted(set(listed.split()) - {"busybox"})


def _entries(busybox: bytes, applets: list[str]) -> list[Entry]:
    return [
        *(Entry(name=name, mode=mode) for name, mode in _FOLDERS),
        Entry(name="bin/busybox", content=busybox),
        *(Entry(name=f"bin/{applet}", hard_link="bin/busybox") for applet in applets),
        Entry(name="usr/bin/env", symlink="/bin/env", mode=0o777),
        Entry(name="etc/passwd", mode=0o644, content=_PASSWD),
        Entry(name="etc/group", mode=0o644, content=_GROUP),
        Entry(name="etc/shadow", mode=0o640, content=b"root:*:19000:0:99999:7:::\n"),
    ]
