"""Owns the last steps before the container's command: who it is, what it may do, its execution.

Used by the container's init and by exec, already inside the container's root and namespaces. Refuses to know
the host: users and groups are the image's, programs are looked up in the container's PATH.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import stat

from engine.shim import beneath, linux, signals, users, wire
from engine.shim.refusal import Refusal, refuse

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.refusal import Stage
    from engine.shim.seccomp import Filter

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RLIMIT_LOCKS = 10
"""The one of setrlimit(2) that Python has no name for."""


def execute(process: dict, stage: Stage, confined: Filter, *, alive: int, first: bool) -> None:  # type: ignore[type-arg]  # JSON
    """Become ``process["args"]``; raises Refusal or OSError when that cannot be. Standard streams are set.

    The ``first`` process of a container makes its working directory, as Docker does; later ones need theirs.
    ``alive`` is a descriptor that hangs up when the parent dies: after the credentials have changed (which
    clears the parent-death signal) that is asked again.
    """
    uid, gid, groups, home = users.resolve_user(process.get("user", ""), process.get("groups") or [])
    environment = dict(item.split("=", 1) for item in process["env"] if "=" in item)
    environment.setdefault("HOME", home)
    _enter_directory(process.get("cwd") or "/", stage, make=first)
    _own_streams(uid)
    _set_limits(process.get("rlimits") or [], stage)
    stage("changing credentials")
    kept = confined.needs(no_new_privileges=bool(process.get("no_new_privileges")))
    confined.capabilities = _set_credentials(process["capabilities"], uid, gid, groups, kept)
    if process.get("no_new_privileges"):
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)  # new credentials have set it to what fs.suid_dumpable says
    if _hung_up(alive):
        os._exit(1)
    _reset_signals()
    stage("executing")
    args = [str(argument) for argument in process["args"]]
    if process.get("init"):
        # Ours does not search: it is told what to execute, and then its arguments.
        found = [_find_program(args[0], environment)] if process["init"] == "own" else []
        args = ["/sbin/docker-init", "--", *found, *args]
    _exec(args, environment, lambda: confined.load(stage))


def _enter_directory(cwd: str, stage: Stage, *, make: bool) -> None:
    stage("changing to the working directory", cwd)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder = beneath.make(root, cwd, directory=True) if make else beneath.resolve(root, cwd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, cwd) from error  # by which call is of no interest
    os.fchdir(folder)
    os.close(folder)
    os.close(root)
    if not os.getcwd().startswith("/"):
        raise refuse("changing to the working directory", "it is outside of the container's root", path=cwd)


def _own_streams(uid: int) -> None:
    """The command may open /dev/stdout and the like again, whoever it runs as."""
    for fd in (0, 1, 2):
        status = os.fstat(fd)
        if uid != status.st_uid and not stat.S_ISREG(status.st_mode) and status.st_rdev != os.makedev(1, 3):
            try:
                os.fchown(fd, uid, -1)
            except OSError:
                pass  # a socket, or a read-only file system: it can be used all the same


def _set_limits(limits: list[list], stage: Stage) -> None:  # type: ignore[type-arg]
    for name, soft, hard in limits:
        full = name.upper() if name.upper().startswith("RLIMIT_") else f"RLIMIT_{name.upper()}"
        stage(f"setting ulimit {name.lower().removeprefix('rlimit_')}")
        try:
            resource.setrlimit(getattr(resource, full, _RLIMIT_LOCKS), (soft, hard))
        except ValueError as error:
            own = resource.getrlimit(getattr(resource, full, _RLIMIT_LOCKS))[1]
            remedy = f"Without CAP_SYS_RESOURCE {own} is the highest here, with it what the kernel allows."
            raise refuse(stage.name, str(error), remedy=remedy) from error


def _set_credentials(
    sets: dict[str, int], uid: int, gid: int, groups: list[int], kept: int = 0
) -> tuple[int, int, int]:
    """The effective, permitted and inheritable sets that are meant; ``kept`` are held beside them for now."""
    _, own, _ = linux.capget()
    bounding = sets["bounding"] & own
    for number in range(64):
        if not bounding >> number & 1:
            try:
                linux.prctl(linux.PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                break  # past the last capability of this kernel
    try:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
    except OSError as error:
        raise _unmapped(error, uid, gid) from error
    ambient = sets.get("ambient", 0) & own
    if uid:
        # Nothing but the ambient set survives the exec of another user; it must not help before it either.
        permitted = effective = inheritable = ambient
        linux.prctl(linux.PR_SET_KEEPCAPS, 1)
        try:
            os.setresuid(uid, uid, uid)
        except OSError as error:
            raise _unmapped(error, uid, gid) from error
    else:
        permitted, effective = sets["permitted"] & own, sets["effective"] & own
        inheritable = sets.get("inheritable", 0) & own
    kept &= own
    linux.capset(effective | kept, permitted | kept, inheritable)
    for number in range(64):
        if ambient >> number & 1:
            linux.prctl(linux.PR_CAP_AMBIENT, linux.PR_CAP_AMBIENT_RAISE, number)
    return effective, permitted, inheritable


def _unmapped(error: OSError, uid: int, gid: int) -> Exception:
    if error.errno != errno.EINVAL:
        return error
    reason = f"{uid}:{gid}, or one of its groups, is no id in the container's user namespace"
    return refuse(
        "changing credentials", reason, remedy="Give --userns a larger range, or choose another user."
    )


def _hung_up(fd: int) -> bool:
    poller = select.poll()
    poller.register(fd, 0)
    return bool(poller.poll(0))


def _reset_signals() -> None:
    """Ignored signals stay ignored through an exec: SIGPIPE by Python, 32 and 33 by posix_spawn."""
    for number in range(1, signals.NSIG):
        if number not in (signals.SIGKILL, signals.SIGSTOP):
            linux.default_signal(number)
    signals.pthread_sigmask(signals.SIG_SETMASK, ())


def _find_program(name: str, environment: dict[str, str]) -> str:
    """The path of ``name`` as execvp(3) finds it; CommandNotFound where it is in no folder."""
    if "/" in name:
        return name
    for folder in environment.get("PATH", _DEFAULT_PATH).split(":"):
        path = os.path.join(folder or ".", name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise _exec_error(name, FileNotFoundError(errno.ENOENT, ""), searched=True)


def _exec(args: list[str], environment: dict[str, str], at_last: Callable[[], None]) -> None:
    """Execute ``args``; ``at_last`` is called before each try, when the program has been found."""
    try:
        linux.close_range(3, flags=linux.CLOSE_RANGE_CLOEXEC)
    except OSError:
        pass  # before Linux 5.11; all of ours are close-on-exec anyway
    name = args[0]
    if "/" in name:
        raise _exec_error(name, _try_exec(name, args, environment, at_last), searched=False)
    found: OSError = FileNotFoundError(2, "")
    for folder in environment.get("PATH", _DEFAULT_PATH).split(":"):
        error = _try_exec(os.path.join(folder or ".", name), args, environment, at_last)
        if not isinstance(error, (FileNotFoundError, NotADirectoryError, PermissionError)):
            found = error
            break
    raise _exec_error(name, found, searched=True)


def _try_exec(
    path: str, args: list[str], environment: dict[str, str], at_last: Callable[[], None]
) -> OSError:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return IsADirectoryError(21, "is a directory", path)
    except OSError as error:
        return error
    at_last()
    try:
        os.execve(path, args, environment)
    except OSError as error:
        return error
    raise AssertionError("execve returned")


def _exec_error(name: str, error: OSError, *, searched: bool) -> Refusal:
    """Docker's words: see runc's and the Go library's ``exec`` errors."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        if searched:
            return Refusal(
                wire.failure(
                    "CommandNotFound", stage="exec", reason=f'"{name}": executable file not found in $PATH'
                )
            )
        exists = os.path.exists(name)
        reason = (
            f'"{name}": no such file or directory'
            if exists
            else f'"{name}": stat {name}: no such file or directory'
        )
        remedy = "The interpreter or loader that it names is not in the image." if exists else ""
        return Refusal(wire.failure("CommandNotFound", stage="exec", reason=reason, errno_=2, remedy=remedy))
    if isinstance(error, IsADirectoryError):
        if searched:
            return Refusal(
                wire.failure(
                    "CommandNotFound", stage="exec", reason=f'"{name}": executable file not found in $PATH'
                )
            )
        reason = f'"{name}": is a directory'
    else:
        reason = f'"{name}": {(error.strerror or str(error)).lower()}'
    return Refusal(wire.failure("CommandNotExecutable", stage="exec", reason=reason, errno_=error.errno or 0))
