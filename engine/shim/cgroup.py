"""Owns writes to the cgroup files that a bundle lists: make, join, freeze, kill; refuses to choose any.

Works for v1, v2 and both at once: the bundle names files, never a version (except for the freezer).
"""

from __future__ import annotations

import errno
import os
from time import monotonic, sleep

from engine.shim import signals
from engine.shim.refusal import refuse

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.shim.refusal import Stage

_SECONDS = 10.0


def create(cgroup: dict, stage: Stage) -> None:  # type: ignore[type-arg]  # JSON
    """Make the directories, write the limits and guard the devices, in the bundle's order."""
    for path in cgroup.get("create", ()):
        stage("creating the cgroup", path)
        os.makedirs(path, 0o755, exist_ok=True)
    if cgroup.get("vacate"):
        stage("leaving the cgroup that is divided", cgroup["vacate"][0])
        _vacate(*cgroup["vacate"])
    for path, value in cgroup.get("writes", ()):
        stage(f"writing {value!r} to the cgroup", path)
        try:
            write(path, str(value))
        except OSError as error:
            raise _explained(error, path, value) from error
    if cgroup.get("devices"):
        from engine.shim import bpf  # only cgroup v2 needs it

        guarded = cgroup["devices"]
        stage("guarding the devices of the cgroup", guarded["dir"])
        bpf.guard_devices(guarded["dir"], guarded["rules"])


def change(cgroup: dict, writes: list, stage: Stage, *, live: bool) -> None:  # type: ignore[type-arg]  # JSON
    """Other limits: written now if the group is ``live``, and kept for the next run; all of them or none."""
    done: list[tuple[str, str]] = []
    for path, value in writes if live else ():
        stage(f"writing {value!r} to the cgroup", path)
        try:
            before = _read(path).strip()
            write(path, value)
        except OSError as error:
            for written, old in reversed(done):
                _restore(written, old)
            raise _explained(error, path, value) from error
        done.append((path, before))
    kept = dict(cgroup.get("writes", ()))
    several = [write for write in cgroup.get("writes", ()) if list(write) != [write[0], kept[write[0]]]]
    kept.update(writes)
    ordered = [*several, *([path, value] for path, value in kept.items())]
    # A new group takes the limit of memory and swap only after that of memory.
    cgroup["writes"] = sorted(ordered, key=lambda write: write[0].endswith("memsw.limit_in_bytes"))


def _explained(error: OSError, path: str, value: str) -> Exception:
    """Why the kernel refused ``value``, where its own word does not tell."""
    folder, name = os.path.split(path)
    if error.errno == errno.EBUSY and name == "memory.limit_in_bytes":
        used = _read(f"{folder}/memory.usage_in_bytes").strip()
        return refuse("unable to set memory limit", f"{value} (current usage: {used})")
    if error.errno == errno.EBUSY and name == "cgroup.subtree_control":
        reason = f"{folder} has processes of its own"
        return refuse("passing controllers on", reason, remedy="Choose a --cgroup-parent without any.")
    if name == "cpu.rt_runtime_us":
        reason = f"{value}: {(error.strerror or '').lower()}"
        remedy = f"Give the groups above it that much first: {os.path.dirname(folder)}/{name} and so on."
        return refuse("setting the real-time runtime", reason, remedy=remedy)
    return error


def _restore(path: str, value: str) -> None:
    try:
        write(path, value)
    except OSError:
        pass  # what was refused is told; the record still says what was


def _vacate(directory: str, leaf: str) -> None:
    """Move the processes of ``directory`` into ``leaf``: only a group without any can be divided."""
    os.makedirs(leaf, 0o755, exist_ok=True)
    end = monotonic() + _SECONDS
    while pids := _read(f"{directory}/cgroup.procs").split():
        for pid in pids:
            try:
                write(f"{leaf}/cgroup.procs", pid)
            except ProcessLookupError:
                pass
        if monotonic() > end:
            raise refuse("leaving the cgroup that is divided", "its processes fork faster than they move")


def join(procs: Iterable[str], pid: int = 0) -> None:
    """Move ``pid`` (0: this process) into the cgroups whose cgroup.procs or tasks files are ``procs``."""
    for path in procs:
        write(path, str(pid))


def write(path: str, value: str) -> None:
    """One write(2): cgroup files take or refuse a value as a whole."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def members(directory: str) -> list[int]:
    """The pids in ``directory`` and below it; none if it does not exist."""
    pids: list[int] = []
    for folder, _, _ in os.walk(directory):
        try:
            with open(f"{folder}/cgroup.procs", encoding="utf-8") as procs:
                pids += [int(line) for line in procs]
        except OSError:
            pass  # removed meanwhile, or a threaded cgroup: its processes are its parent's
    return pids


def destroy(directories: Iterable[str]) -> list[str]:
    """Kill everything in ``directories`` and remove them; returns what is left.

    A process may be stuck in the kernel: after ten seconds the directory is left for the next one who tries.
    """
    end = monotonic() + _SECONDS
    waiting = [path for path in directories if os.path.isdir(path)]
    pause = 0.0005
    while waiting:
        waiting = [path for path in waiting if not _remove(path)]
        if not waiting or monotonic() > end:
            break
        for path in waiting:
            kill(path)
        sleep(pause)
        pause = min(pause * 2, 0.05)
    return waiting


def kill(directory: str) -> None:
    """SIGKILL to every process in ``directory`` and below; frozen ones are thawed first."""
    try:
        write(f"{directory}/cgroup.kill", "1")  # v2, from Linux 5.14
    except OSError:
        pass
    else:
        return
    for pid in members(directory):
        if pid != os.getpid():
            try:
                os.kill(pid, signals.SIGKILL)
            except ProcessLookupError:
                pass
    thaw((directory,))


def thaw(directories: Iterable[str]) -> None:
    """Let frozen processes run on: under v1 (not v2) a frozen process does not even die of SIGKILL."""
    for directory in directories:
        if os.path.exists(f"{directory}/freezer.state"):
            write(f"{directory}/freezer.state", "THAWED")


def _remove(directory: str) -> bool:
    """rmdir(2) ``directory`` and the cgroups that the container made below it; False while it is in use."""
    for folder, _, _ in os.walk(directory, topdown=False):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
                return False
            raise
    return True


def freeze(freezer: dict, *, frozen: bool) -> None:  # type: ignore[type-arg]  # JSON
    """Stop or continue every process of the cgroup; returns when the kernel says so.

    Refuses after 10 s: one that hangs in the kernel does not stop. Then those that have stopped continue.
    """
    end = monotonic() + _SECONDS
    while not _frozen_as(freezer, wanted=frozen):
        if monotonic() > end:
            if frozen:
                _frozen_as(freezer, wanted=False)
            verb = "pausing" if frozen else "unpausing"
            raise refuse(verb, "its processes did not change their state within 10 seconds")
        sleep(0.002)


def _frozen_as(freezer: dict, *, wanted: bool) -> bool:  # type: ignore[type-arg]
    """Ask for the state, and say whether it is that."""
    directory = freezer["dir"]
    if freezer["version"] == 1:
        word = "FROZEN" if wanted else "THAWED"
        write(f"{directory}/freezer.state", word)
        return _read(f"{directory}/freezer.state").strip() == word
    write(f"{directory}/cgroup.freeze", str(int(wanted)))
    return f"frozen {int(wanted)}" in _read(f"{directory}/cgroup.events")


def oom_kills(path: str | None) -> int:
    """How many processes the kernel has killed for memory: from memory.events (v2) or memory.oom_control."""
    if not path:
        return 0
    try:
        lines = _read(path).splitlines()
    except OSError:
        return 0
    counts = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(counts.get("oom_kill", 0))


def oom_kill_disabled(path: str) -> bool:
    """Whether a v1 group's processes wait for memory instead of dying; ``path`` is memory.oom_control."""
    try:
        return "oom_kill_disable 1" in _read(path)
    except OSError:
        return False


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
