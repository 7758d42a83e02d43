"""Owns the empty state: the images that can be made here without a registry; pure but for looking at PATH."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tuidock.widgets.columns import Column
from tuidock.widgets.row_table import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.records import Image

WELCOME_COLUMNS = (
    Column("TO BEGIN WITH", 17, maximum=20),
    Column("WHAT IT IS", 20, 58, 44),
    Column("WHAT IT NEEDS", 18, maximum=70),
)
HELLO, BUSYBOX, DEBIAN = "hello-world", "busybox", "debian:bookworm"
_DESCRIPTIONS = (
    (HELLO, "says hello and ends"),
    (BUSYBOX, "a shell with small tools"),
    (DEBIAN, "a whole Debian to build on"),
)


def welcome_rows(images: Sequence[Image]) -> list[Row]:
    """A row for each image that can be had, with what it takes."""
    stored = {name.removesuffix(":latest") for image in images for name in image.names}
    rows = []
    for name, what in _DESCRIPTIONS:
        text, style = ("here: Enter runs it", "running") if name in stored else _needs(name)
        rows.append(Row(name, (name, what, text), ("title", "", style)))
    return rows


def _needs(name: str) -> tuple[str, str]:
    """What making ``name`` takes on this machine, and how that is coloured."""
    if name == HELLO:
        return ("nothing, offline", "running")
    if name == BUSYBOX:
        if shutil.which("busybox"):
            return ("busybox: found here", "created")
        return ("apt install busybox-static", "paused")
    if tool := shutil.which("mmdebstrap") or shutil.which("debootstrap"):
        return (f"{tool.rsplit('/', 1)[-1]}: found; takes minutes", "created")
    return ("apt install mmdebstrap", "paused")
