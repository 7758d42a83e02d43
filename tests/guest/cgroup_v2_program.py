"""What is done inside a guest with cgroup v2 alone: prints one JSON object of what was seen.

Run as root with the repository and its dependencies on the path; uses the command line, as people do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

GROUPS = "/sys/fs/cgroup"
SCOPE = f"{GROUPS}/td-test.scope"
NEST = f"{GROUPS}/td-test-nest"
_STORE = "/root/td-test"


def tuidock(*arguments: str) -> str:
    """The output of one command line."""
    done = subprocess.run(
        [sys.executable, "-m", "tuidock", "--root", _STORE, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}".strip()


def run(*arguments: str) -> str:
    return tuidock("run", "--rm", "--network", "none", *arguments)


def state(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(tuidock("inspect", name))[0]["State"]
    return found


def groups() -> list[str]:
    """The groups that there are, below the root."""
    return sorted(folder.removeprefix(GROUPS) for folder, _, _ in os.walk(GROUPS))


def limits() -> dict[str, object]:
    shown = " ".join(f"{GROUPS}/{name}" for name in ("memory.max", "memory.swap.max", "cpu.max", "pids.max"))
    flags = ("-m", "64m", "--memory-swap", "96m", "--cpus", "0.5", "--pids-limit", "20")
    return {
        "limits": run(*flags, "busybox", "sh", "-c", f"cat {shown}").split(),
        "too many processes": run(
            "--pids-limit", "2", "busybox", "sh", "-c", "sleep 1 & sleep 1 & echo done"
        ),
        "lacking": run("--memory-swappiness", "5", "--oom-kill-disable", "busybox", "true").splitlines(),
    }


def devices() -> dict[str, object]:
    attempt = "mknod /tmp/{0} c 1 {1} && exec 3< /tmp/{0} && echo opened"
    nodes = {"null": 3, "mem": 1, "full": 7}
    return {
        "devices": {
            name: run("busybox", "sh", "-c", attempt.format(name, number)) for name, number in nodes.items()
        },
        "privileged": run("--privileged", "busybox", "sh", "-c", "exec 3< /dev/kmsg && echo opened"),
    }


def life() -> dict[str, object]:
    tuidock("run", "-d", "--name", "one", "-m", "64m", "busybox", "sh", "-c", "while :; do :; done")
    seen: dict[str, object] = {"stats": tuidock("stats", "--no-stream", "--format", "json", "one")}
    flags = (
        "-m",
        "80m",
        "--memory-swap",
        "100m",
        "--cpus",
        "0.2",
        "--pids-limit",
        "9",
        "--cpu-shares",
        "100",
    )
    seen["update"] = tuidock("update", *flags, "one")
    shown = [f"{GROUPS}/{n}" for n in ("memory.max", "memory.swap.max", "cpu.max", "pids.max", "cpu.weight")]
    seen["updated"] = tuidock("exec", "one", "cat", *shown).split()
    tuidock("pause", "one")
    seen["paused"] = state("one")["Status"]
    tuidock("unpause", "one")
    seen["top"] = tuidock("top", "one").splitlines()[1].split()[-1]
    seen["stop"] = tuidock("stop", "-t", "1", "one")
    tuidock("rm", "one")
    seen["left"] = groups()
    return seen


def memory() -> dict[str, object]:
    greedy = "dd if=/dev/zero of=/dev/null bs=60M count=1"
    small = ("--network", "none", "-m", "20m", "--memory-swap", "20m", "busybox")
    tuidock("run", "--name", "init", *small, *greedy.split())
    tuidock("run", "-d", "--name", "child", *small, "sh", "-c", f"{greedy}; sleep 1000")
    end = time.monotonic() + 60
    while not state("child")["OOMKilled"] and time.monotonic() < end:
        time.sleep(0.2)
    seen = {"oom": [state("init"), state("child")]}
    tuidock("rm", "-f", "init", "child")
    return seen


def delegated() -> dict[str, object]:
    """As ``systemd-run --scope -p Delegate=yes`` would start us, with a neighbour in the same group."""
    os.mkdir(SCOPE)
    os.setxattr(SCOPE, "user.delegate", b"1")
    with subprocess.Popen(["sleep", "1000"]) as neighbour:
        for pid in (neighbour.pid, os.getpid()):
            join(SCOPE, pid)
        tuidock("run", "-d", "--name", "two", "-m", "64m", "busybox", "sleep", "1000")
        with open("/proc/self/cgroup", encoding="ascii") as file:
            moved = file.read().strip()
        seen = {
            "moved": moved,
            "limit": tuidock("exec", "two", "cat", f"{GROUPS}/memory.max"),
            "groups": [path for path in groups() if path.startswith("/td-test.scope/tuidock/")],
            "outside": [path for path in groups() if path.startswith("/tuidock/")],
        }
        tuidock("rm", "-f", "two")
        join(GROUPS, os.getpid())
        neighbour.kill()
    return {"delegated": seen}


def nested() -> dict[str, object]:
    """In a container of somebody else's: the root that is seen is a group with processes in it."""
    os.mkdir(NEST)
    own = f"{sys.executable} -m tuidock --root {_STORE}"
    inner = (
        f"umount {GROUPS}; mount -t cgroup2 none {GROUPS};"
        f" {own} run --rm --network none -m 64m busybox cat {GROUPS}/memory.max"
    )
    command = f"echo $$ > {NEST}/cgroup.procs; exec unshare -C -m sh -c '{inner}'"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    return {"nested": f"{done.stdout}{done.stderr}".strip()}


def join(group: str, pid: int) -> None:
    with open(f"{group}/cgroup.procs", "w", encoding="ascii") as procs:
        procs.write(str(pid))


if __name__ == "__main__":
    tuidock("image", "bootstrap", "busybox")
    found: dict[str, object] = {}
    for part in (limits, devices, life, memory, delegated, nested):
        found |= part()
    print(json.dumps(found))
