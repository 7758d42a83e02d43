"""Owns small root file systems for tests, made from the machine's static busybox, and very deep folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.shim import state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr/bin", "var")


def make_busybox_tree(root: str) -> str:
    """Fill ``root`` with a busybox and its applets; returns ``root``. Needs busybox-static."""
    source = shutil.which("busybox")
    if source is None:
        raise FileNotFoundError("busybox: apt-get install busybox-static")
    for folder in _FOLDERS:
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    os.chmod(f"{root}/tmp", 0o1777)
    shutil.copy2(source, f"{root}/bin/busybox")
    listing = subprocess.run([source, "--list"], check=True, capture_output=True, text=True)
    for applet in listing.stdout.split():
        if applet != "busybox":
            os.symlink("busybox", f"{root}/bin/{applet}")
    _write(f"{root}/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    _write(f"{root}/etc/group", "root:x:0:\nnogroup:x:65534:\n")
    return root


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def deep_folder(top: Path) -> Iterator[Path]:
    """A folder 1200 levels below ``top``, which is more than Python recurses; removed, as pytest could not."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        yield top / "/".join("d" * 1200)
    finally:
        for name in os.listdir(top):
            state.remove(str(top / name))
