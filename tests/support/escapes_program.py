"""Owns known ways out of a container, tried from inside of one: prints what each came to, as one JSON object.

Run by the host's interpreter inside the container, so the standard library alone. "EPERM" and the like is the
kernel's refusal, a text in brackets what was found instead of the host, "OUT" an escape.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import stat
import sys
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
SYSCALLS = {
    "open_by_handle_at": 265 if ARM else 304,
    "kexec_load": 104 if ARM else 246,
    "init_module": 105 if ARM else 175,
    "delete_module": 106 if ARM else 176,
    "swapon": 224 if ARM else 167,
    "acct": 89 if ARM else 163,
    "syslog": 116 if ARM else 103,
    "settimeofday": 170 if ARM else 164,
    "setns": 268 if ARM else 308,
    "pivot_root": 41 if ARM else 155,
    "move_mount": 429,
    "mount_setattr": 442,
    "bpf": 280 if ARM else 321,
    "ptrace": 117 if ARM else 101,
}
HOST_PID = int(sys.argv[1]) if __name__ == "__main__" else 0


def checked(result: int) -> str:
    return "OUT" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def syscall(name: str, *arguments: object) -> Callable[[], str]:
    return lambda: checked(libc.syscall(SYSCALLS[name], *arguments))


def written(path: str, content: bytes = b"1") -> Callable[[], str]:
    def attempt() -> str:
        fd = os.open(path, os.O_WRONLY)
        os.write(fd, content)
        os.close(fd)
        return "OUT"

    return attempt


def read(path: str) -> Callable[[], str]:
    def attempt() -> str:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        found = os.read(fd, 64)
        os.close(fd)
        return "OUT" if found else "[empty]"

    return attempt


def mounted(source: str, target: str, kind: str, flags: int = 0) -> Callable[[], str]:
    return lambda: checked(libc.mount(source.encode(), target.encode(), kind.encode(), flags, None))


def device(kind: int, major: int, minor: int, mode: int = os.O_RDONLY) -> Callable[[], str]:
    def attempt() -> str:
        path = f"/tmp/node-{kind}-{major}-{minor}"
        if not os.path.exists(path):
            os.mknod(path, kind | 0o666, os.makedev(major, minor))
        os.close(os.open(path, mode | os.O_NONBLOCK))
        return "OUT"

    return attempt


def chroot_out_of_chroot() -> str:
    """Climb from a directory that a second chroot has put outside of the root."""
    pid = os.fork()
    if pid:
        return ["[own root]", "OUT"][os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
    own = os.stat("/")
    top = os.open("/", os.O_RDONLY)
    os.makedirs("/tmp/cell", exist_ok=True)
    os.chroot("/tmp/cell")
    os.fchdir(top)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    os._exit(0 if os.path.samestat(own, os.stat("/")) else 1)


def release_agent_from_a_user_namespace() -> str:
    """CVE-2022-0492: the hierarchies mounted again by the root of a user namespace, who may not set it either."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        os.waitpid(pid, 0)
        with os.fdopen(read_end) as file:
            return file.read()
    outcome = checked(libc.unshare(0x10000000 | 0x00020000 | 0x02000000))
    for hierarchy in ("memory", "rdma", "pids") if outcome == "OUT" else ():
        folder = f"/dev/shm/{hierarchy}"
        try:
            os.mkdir(folder)
            outcome = checked(libc.mount(b"cgroup", folder.encode(), b"cgroup", 0, hierarchy.encode()))
            if outcome == "OUT":
                outcome = written(f"{folder}/release_agent", b"/tmp/x")()
        except OSError as error:
            outcome = errno.errorcode[error.errno or 0]
        if outcome == "OUT":
            break
    os.write(write_end, outcome.encode())
    os._exit(0)


def handle_of_the_hosts_root() -> str:
    """The "shocker": a file handle of inode 2 or 128, opened on a mount that is a file system of the host."""
    for inode in (2, 128):
        handle = ctypes.create_string_buffer(
            (8).to_bytes(4, sys.byteorder) + (1).to_bytes(4, sys.byteorder) + inode.to_bytes(8, "little")
        )
        mount = os.open("/etc/hosts", os.O_RDONLY)
        if libc.syscall(SYSCALLS["open_by_handle_at"], mount, handle, os.O_RDONLY) >= 0:
            return "OUT"
    return errno.errorcode[ctypes.get_errno()]


def leaked_descriptors() -> str:
    listing = os.open("/proc/self/fd", os.O_RDONLY)
    found = {int(name) for name in os.listdir(listing)} - {0, 1, 2, listing}
    own = {fd for fd in found if not os.path.exists(f"/proc/self/fd/{fd}")}  # the listing's own
    return "[none]" if not found - own else f"OUT {sorted(found - own)}"


def processes() -> str:
    seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    return "[own]" if seen <= {1, os.getpid()} else "OUT"


def block_devices() -> list[tuple[int, int]]:
    return [tuple(map(int, name.split(":"))) for name in os.listdir("/sys/dev/block")]  # type: ignore[misc]


def every_disk() -> str:
    found = set()
    for major, minor in block_devices():
        for mode in (os.O_RDONLY, os.O_WRONLY):
            try:
                found.add(device(stat.S_IFBLK, major, minor, mode)())
            except OSError as error:
                found.add(errno.errorcode[error.errno or 0])
    return "/".join(sorted(found))


REMOUNT_BIND = 32 | 4096
ATTEMPTS: dict[str, Callable[[], str]] = {
    "descriptors": leaked_descriptors,  # before any attempt opens its own
    "core_pattern": written("/proc/sys/kernel/core_pattern", b"|/tmp/x"),
    "modprobe": written("/proc/sys/kernel/modprobe", b"/tmp/x"),
    "binfmt": mounted("none", "/proc/sys/fs/binfmt_misc", "binfmt_misc"),
    "sysrq": written("/proc/sysrq-trigger", b"h"),
    "uevent_helper": written("/sys/kernel/uevent_helper", b"/tmp/x"),
    "power": written("/sys/power/state", b"x"),
    "release_agent": written("/sys/fs/cgroup/memory/release_agent", b"/tmp/x"),
    "release_agent_userns": release_agent_from_a_user_namespace,
    "notify_on_release": written("/sys/fs/cgroup/memory/notify_on_release"),
    "cgroup_remount": mounted("none", "/sys/fs/cgroup/memory", "none", REMOUNT_BIND),
    "cgroup_mount": mounted("none", "/tmp", "cgroup"),
    "cgroup_leave": written("/sys/fs/cgroup/memory/cgroup.procs", b"0"),
    "proc_remount": mounted("none", "/proc/sys", "none", REMOUNT_BIND),
    "proc_mount": mounted("proc", "/tmp", "proc"),
    "unmask": lambda: checked(libc.umount2(b"/proc/keys", 2)),
    "kcore": read("/proc/kcore"),
    "keys": read("/proc/keys"),
    "timer_list": read("/proc/timer_list"),
    "dmesg": syscall("syslog", 3, ctypes.create_string_buffer(64), 64),
    "kmsg": device(stat.S_IFCHR, 1, 11),
    "mem": device(stat.S_IFCHR, 1, 1),
    "disks": every_disk,
    "handle": handle_of_the_hosts_root,
    "kexec": syscall("kexec_load", 0, 0, None, 0),
    "module": syscall("init_module", None, 0, b""),
    "module_removal": syscall("delete_module", b"nosuch", 0),
    "swap": syscall("swapon", b"/etc/hosts", 0),
    "accounting": syscall("acct", b"/etc/hosts"),
    "clock": syscall("settimeofday", ctypes.create_string_buffer(16), None),
    "pivot": syscall("pivot_root", b".", b"."),
    "bpf": syscall("bpf", 5, ctypes.create_string_buffer(128), 128),
    "hostname": lambda: checked(libc.sethostname(b"x", 1)),
    "trace": syscall("ptrace", 16, HOST_PID, None, None),
    "kill": lambda: os.kill(HOST_PID, 0) or "OUT",  # type: ignore[func-returns-value]
    "processes": processes,
    "chroot": chroot_out_of_chroot,
}

if __name__ == "__main__":
    outcomes = {}
    for name, attempt in ATTEMPTS.items():
        try:
            outcomes[name] = attempt()
        except OSError as error:
            outcomes[name] = errno.errorcode[error.errno or 0]
    print(json.dumps(outcomes))
