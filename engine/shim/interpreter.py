"""Owns keeping the host's interpreter from containers: the spawner runs from a read-only clone of it.

Who starts in a container is a fork of ours until it executes the command, and an image decides what that is:
"#!/proc/self/exe", or a path that is swapped at the last moment, makes the kernel load our interpreter where
a process of the container can open it (CVE-2019-5736). With CAP_SYS_PTRACE in the host's user namespace
/proc/PID/exe can be opened even before that. No look before the exec closes this. So the spawner executes
itself once, before it has imported anything, through a detached clone of the one file's mount (open_tree(2)),
made read-only (mount_setattr(2)) and let go of. What comes of it, supervisors, inits and exec sessions, has
an executable that nobody can write through (EROFS; ETXTBSY while it runs), that leads to no other file, and
whose mount, being in no namespace, nobody can change back.

Refuses to copy: that would cost each container the interpreter's size in memory.
"""

from __future__ import annotations

import os
import sys

from engine.shim import linux

_PROGRAM = (
    "import sys; sys.path[:0] = [sys.argv[1]]; from engine.shim.spawner import main;"
    " main(int(sys.argv[2]), again=True)"
)
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_ITSELF = "/proc/self/exe"


def is_read_only() -> bool:
    """Whether this process was executed from a read-only mount: statvfs(3) of its executable says."""
    return bool(os.statvfs(_ITSELF).f_flag & os.ST_RDONLY)


def execute_clone(socket_fd: int) -> None:
    """Become a spawner on ``socket_fd`` again, from the clone; returns where there is no right to make one.

    An ordinary user has none (EPERM), and no file of the host to lose; Linux before 5.12 cannot (ENOSYS).
    """
    try:
        file = linux.open_tree(linux.AT_FDCWD, _ITSELF, linux.OPEN_TREE_CLONE)
        linux.mount_setattr(file, attr_set=linux.MOUNT_ATTR_RDONLY, recursive=False)
        program = os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)
        os.close(file)  # the clone leaves its anonymous namespace with this: from now on it is nobody's
    except OSError:
        return
    os.set_inheritable(socket_fd, True)
    arguments = [sys.executable, "-I", "-S", "-c", _PROGRAM, _ROOT, str(socket_fd)]
    os.execve(program, arguments, {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"})
