"""Owns the system calls that Python lacks: one function a call; refuses policy, retries and defaults.

Each function is named after its manual page in section 2, takes what the call takes, and raises ``OSError``
(the subclass that fits ``errno``) with the path, and with the call's name in the attribute ``syscall``.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from engine.shim import signals

CLONE_NEWTIME = 0x80
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_SYNCHRONOUS, MS_REMOUNT, MS_MANDLOCK, MS_DIRSYNC, MS_NOSYMFOLLOW = 16, 32, 64, 128, 256
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_MOVE, MS_REC = 1024, 2048, 4096, 8192, 16384
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MS_RELATIME, MS_STRICTATIME = 1 << 21, 1 << 24

MNT_DETACH = 2
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 0x01, 0x02, 0x04
RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x08, 0x10
MOUNT_ATTR_IDMAP = 0x00100000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_GET_SECCOMP = 21
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 4
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLOSE_RANGE_CLOEXEC = 4
SECCOMP_SET_MODE_FILTER = 1
KEYCTL_JOIN_SESSION_KEYRING = 1
KEYCTL_SETPERM = 5

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_ARM = os.uname().machine == "aarch64"
# Calls from 424 on have one number on every architecture; the older ones are in libc where it has them.
_NR_CLONE = 220 if _ARM else 56
_NR_PIVOT_ROOT = 41 if _ARM else 155
_NR_BPF = 280 if _ARM else 321
_NR_CAPGET = 90 if _ARM else 125
_NR_CAPSET = 91 if _ARM else 126
_NR_KEYCTL = 219 if _ARM else 250
_NR_RT_SIGACTION = 134 if _ARM else 13
_NR_SECCOMP = 277 if _ARM else 317
_NR_OPEN_TREE, _NR_MOVE_MOUNT = 428, 429
_NR_CLOSE_RANGE, _NR_OPENAT2, _NR_PIDFD_GETFD, _NR_MOUNT_SETATTR = 436, 437, 438, 442
_CAP_VERSION_3 = 0x20080522
_CAP_HEADER = struct.pack("=Ii", _CAP_VERSION_3, 0)
_CAP_DATA = struct.Struct("=6I")
_STATFS_SIZE = 256  # more than any architecture's
_OPEN_HOW = struct.Struct("=3Q")
_MOUNT_ATTR = struct.Struct("=4Q")

_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.unshare.argtypes = [ctypes.c_int]
_libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_libc.syncfs.argtypes = [ctypes.c_int]
_libc.sethostname.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_libc.setdomainname.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]


def _check(result: int, syscall: str, path: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        error = OSError(number, os.strerror(number), path) if path else OSError(number, os.strerror(number))
        error.syscall = syscall  # type: ignore[attr-defined]
        raise error
    return result


def unshare(flags: int) -> None:
    """Call unshare(2): leave the namespaces in ``flags`` (CLONE_NEW*) for new ones."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Call setns(2): enter the namespace ``fd``, or those in ``flags`` of the process that a pidfd names."""
    _check(_libc.setns(fd, flags), "setns")


def mount(
    source: str | None, target: str, fstype: str | None, flags: int, options: str | None = None
) -> None:
    """See mount(2)."""
    result = _libc.mount(
        None if source is None else os.fsencode(source),
        os.fsencode(target),
        None if fstype is None else fstype.encode(),
        flags,
        None if options is None else os.fsencode(options),
    )
    _check(result, "mount", target)


def umount2(target: str, flags: int = 0) -> None:
    """See umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags), "umount2", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """See pivot_root(2)."""
    result = _syscall(
        _NR_PIVOT_ROOT, ctypes.c_char_p(os.fsencode(new_root)), ctypes.c_char_p(os.fsencode(put_old))
    )
    _check(result, "pivot_root", new_root)


def open_tree(dirfd: int, path: str, flags: int) -> int:
    """Call open_tree(2), always close-on-exec: a descriptor of the mount at ``path`` or a clone of it."""
    result = _syscall(
        _NR_OPEN_TREE, dirfd, ctypes.c_char_p(os.fsencode(path)), ctypes.c_uint(flags | OPEN_TREE_CLOEXEC)
    )
    return _check(result, "open_tree", path)


def move_mount(from_fd: int, to_fd: int) -> None:
    """Call move_mount(2) of the mount ``from_fd`` onto what ``to_fd`` refers to; no path is looked up."""
    empty = ctypes.c_char_p(b"")
    flags = ctypes.c_uint(MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
    _check(_syscall(_NR_MOVE_MOUNT, from_fd, empty, to_fd, empty, flags), "move_mount")


def mount_setattr(
    fd: int,
    *,
    attr_set: int = 0,
    attr_clear: int = 0,
    propagation: int = 0,
    user_namespace: int = 0,
    recursive: bool,
) -> None:
    """Call mount_setattr(2) on the mount ``fd``."""
    attr = _MOUNT_ATTR.pack(attr_set, attr_clear, propagation, user_namespace)
    flags = ctypes.c_uint(AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0))
    result = _syscall(
        _NR_MOUNT_SETATTR, fd, ctypes.c_char_p(b""), flags, ctypes.c_char_p(attr), ctypes.c_size_t(len(attr))
    )
    _check(result, "mount_setattr")


def openat2(dirfd: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """Call openat2(2), always close-on-exec."""
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
    result = _syscall(
        _NR_OPENAT2,
        dirfd,
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    return _check(result, "openat2", path)


def syncfs(fd: int) -> None:
    """Call syncfs(2): make durable all of the file system that ``fd`` is on."""
    _check(_libc.syncfs(fd), "syncfs")


def file_system(fd: int) -> int:
    """Call fstatfs(2): the magic number of the file system that ``fd`` is on (see linux/magic.h)."""
    buffer = ctypes.create_string_buffer(_STATFS_SIZE)
    _check(_libc.fstatfs(fd, buffer), "fstatfs")
    return int.from_bytes(buffer.raw[: struct.calcsize("@l")], sys.byteorder)


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """See close_range(2)."""
    result = _syscall(_NR_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(last), ctypes.c_uint(flags))
    _check(result, "close_range")


def pidfd_getfd(pidfd: int, descriptor: int) -> int:
    """See pidfd_getfd(2)."""
    return _check(_syscall(_NR_PIDFD_GETFD, pidfd, descriptor, ctypes.c_uint(0)), "pidfd_getfd")


def sethostname(name: str) -> None:
    """See sethostname(2)."""
    encoded = os.fsencode(name)
    _check(_libc.sethostname(encoded, len(encoded)), "sethostname", name)


def setdomainname(name: str) -> None:
    """See setdomainname(2)."""
    encoded = os.fsencode(name)
    _check(_libc.setdomainname(encoded, len(encoded)), "setdomainname", name)


def setfsuid(uid: int) -> None:
    """See setfsuid(2), which reports no error."""
    _libc.setfsuid(ctypes.c_uint(uid))


def setfsgid(gid: int) -> None:
    """See setfsgid(2), which reports no error."""
    _libc.setfsgid(ctypes.c_uint(gid))


def fork_into(flags: int) -> int:
    """Call clone(2) as fork(2) does, the child in the new namespaces ``flags``; 0 in the child.

    Only for a process without threads: Python is told, the C library is not (its child keeps its parent's
    thread id, which nothing here asks for).
    """
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    # One that keeps the interpreter's lock, which the child could not take again.
    call = ctypes.PyDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    pid = int(call(_NR_CLONE, ctypes.c_ulong(flags | signals.SIGCHLD), None, None, None, None))
    number = ctypes.get_errno()
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    ctypes.set_errno(number)
    return _check(pid, "clone")


def prctl(option: int, argument: int = 0, argument2: int = 0) -> int:
    """Call prctl(2) with up to two arguments after the option."""
    return _check(_libc.prctl(option, argument, argument2, 0, 0), "prctl")


def set_process_name(name: str) -> None:
    """PR_SET_NAME of prctl(2): at most 15 bytes are kept."""
    buffer = ctypes.create_string_buffer(os.fsencode(name)[:15])
    _check(_libc.prctl(PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0), "prctl")


def capget() -> tuple[int, int, int]:
    """Call capget(2) of this process: the effective, permitted and inheritable sets."""
    buffer = ctypes.create_string_buffer(_CAP_DATA.size)
    _check(_syscall(_NR_CAPGET, ctypes.c_char_p(_CAP_HEADER), buffer), "capget")
    low = _CAP_DATA.unpack(buffer.raw)
    return low[0] | low[3] << 32, low[1] | low[4] << 32, low[2] | low[5] << 32


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Call capset(2) of this process."""
    sets = (effective, permitted, inheritable)
    body = _CAP_DATA.pack(*(bits & 0xFFFFFFFF for bits in sets), *(bits >> 32 for bits in sets))
    _check(_syscall(_NR_CAPSET, ctypes.c_char_p(_CAP_HEADER), ctypes.c_char_p(body)), "capset")


def seccomp(program: bytes, flags: int) -> None:
    """Call seccomp(2) with SECCOMP_SET_MODE_FILTER: ``program`` is an array of struct sock_filter."""
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    result = _syscall(_NR_SECCOMP, SECCOMP_SET_MODE_FILTER, ctypes.c_uint(flags), ctypes.c_char_p(described))
    _check(result, "seccomp")


def default_signal(number: int) -> None:
    """Call rt_sigaction(2) to take the default action on ``number``, also where libc keeps it to itself."""
    action = ctypes.c_char_p(bytes(32))
    _check(_syscall(_NR_RT_SIGACTION, number, action, None, ctypes.c_size_t(8)), "rt_sigaction")


def join_session_keyring(name: str) -> int:
    """keyctl(2) KEYCTL_JOIN_SESSION_KEYRING: leave the inherited session keyring for ``name``; its number."""
    wanted = ctypes.c_char_p(os.fsencode(name))
    return _check(_syscall(_NR_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, wanted), "keyctl")


def set_key_permissions(key: int, permissions: int) -> None:
    """keyctl(2) KEYCTL_SETPERM."""
    _check(_syscall(_NR_KEYCTL, KEYCTL_SETPERM, key, ctypes.c_uint(permissions)), "keyctl")


def bpf(command: int, attributes: bytes) -> int:
    """Call bpf(2): a descriptor, or 0."""
    result = _syscall(_NR_BPF, command, ctypes.c_char_p(attributes), ctypes.c_uint(len(attributes)))
    return _check(result, "bpf")
