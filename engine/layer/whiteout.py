"""Owns the two spellings of "deleted": .wh. names in tar streams, marks in overlay directories.

Sources: OCI image-spec, layer.md ("Whiteouts"); kernel, Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os
import stat

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"
META_PREFIX = b".wh..wh."
_MARK = b"y"
OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")
"""The kernel's own marks: never taken from an archive, never written to one."""


def opaque_xattr() -> str:
    """The mark of an opaque directory: ordinary users mount overlays with ``userxattr``."""
    return "trusted.overlay.opaque" if os.geteuid() == 0 else "user.overlay.opaque"


def is_whiteout(status: os.stat_result) -> bool:
    """Whether an overlay takes this for a deleted name: a character device 0/0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def make_whiteout(folder: int, name: bytes) -> None:
    """Put the mark for a deleted ``name`` into the directory."""
    os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=folder)


def mark_opaque(directory: int) -> None:
    """Hide what lower layers have in the open directory."""
    os.setxattr(directory, opaque_xattr(), _MARK)


def is_opaque(directory: int) -> bool:
    """Whether the open directory hides what lower layers have in it."""
    for prefix in OVERLAY_XATTRS:
        try:
            if os.getxattr(directory, f"{prefix}opaque") == _MARK:
                return True
        except OSError as error:
            if error.errno not in {errno.ENODATA, errno.ENOTSUP, errno.EPERM}:
                raise
    return False
