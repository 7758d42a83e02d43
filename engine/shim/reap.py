"""Owns cleaning up after a supervisor that died: what it held is given back, its facts are completed.

Called in a worker (``launcher.work("engine.shim.reap:reap", {"run_dir": …})``). Safe at any time and from
any number of processes at once: whoever holds the lock does it, and with a living supervisor nobody can.
"""

from __future__ import annotations

import os
import select
from time import time_ns

from engine.shim import cgroup, firewall, json_text, netlink_send, signals, state, worker
from engine.shim.lock import take_lock_of_dead
from engine.shim.names import remove_entries

_DIED, _KILLED = 255, 137
_SECONDS = 10


def reap(arguments: dict, _fds: list[int]) -> dict:  # type: ignore[type-arg]  # JSON
    """Clean ``arguments["run_dir"]``; {"reaped": whether this call did it, "left": cgroups still busy}."""
    run_dir = arguments["run_dir"]
    lock = take_lock_of_dead(f"{run_dir}/lock")
    if lock is None:
        return {"reaped": False, "left": []}
    try:
        bundle = _read(f"{run_dir}/bundle.json")
        left = _bury(bundle) if bundle else []
        state.remove_run_dir(run_dir)  # while the lock is held: who waits for it then finds the name gone
    finally:
        os.close(lock)
    return {"reaped": True, "left": left}


def end(arguments: dict, _fds: list[int]) -> dict:  # type: ignore[type-arg]  # JSON
    """Kill a supervisor that cannot be asked to, and its container; {"left": cgroups still busy}.

    ``arguments``: ``supervisor`` (pid, start time; 0 if it is dead already), ``groups`` (its cgroups),
    ``state_path``. Its bundle is not needed.
    """
    killed = bool(arguments["supervisor"][0])
    groups, path = arguments["groups"], arguments["state_path"]
    _kill(*arguments["supervisor"])
    facts = _read(path)
    cgroup.thaw(groups)
    _kill_init(facts)
    left = cgroup.destroy(groups)
    if facts.get("status") in ("running", "paused"):
        facts.update(status="exited", pid=0, pid_start_time=0, finished_at=time_ns())
        facts.update(exit_code=_KILLED if killed else _DIED, error="" if killed else "supervisor died")
        state.write_facts(path, facts, durable=True)
    return {"left": left}


def _bury(bundle: dict) -> list[str]:  # type: ignore[type-arg]
    facts = _read(bundle["state_path"])
    recorded = facts.get("status") == "exited"
    ended = facts.get("status") == "restarting"  # it had told the end of its last run
    groups = (bundle.get("cgroup") or {}).get("kill", ())
    if not recorded:
        cgroup.thaw(groups)
        _kill_init(facts)
    left = cgroup.destroy(groups)
    network = bundle.get("network") or {}
    netlink_send.send_all(network.get("teardown", []))
    remove_entries((network.get("names") or {}).get("networks", ()))
    firewall.leave(network.get("firewall"))
    if not recorded and facts:
        facts.update(status="exited", pid=0, pid_start_time=0, error="supervisor died")
        if not ended:
            facts.update(exit_code=_DIED, finished_at=time_ns())
        state.write_facts(bundle["state_path"], facts, durable=True)
        if not ended:
            _tell(bundle, "die", exitCode=str(_DIED))
            _tell_companions(bundle)
    if bundle.get("auto_remove") and (facts or recorded):
        for path in bundle.get("remove_paths", ()):
            if path != bundle["run_dir"]:
                state.remove(path)
        _tell(bundle, "destroy")
    return left


def _tell(bundle: dict, action: str, **attributes: str) -> None:  # type: ignore[type-arg]
    try:
        state.append_event(bundle, action, **attributes)
    except OSError:
        pass  # a full disk: what is left is cleaned up all the same


def _tell_companions(bundle: dict) -> None:  # type: ignore[type-arg]
    try:
        state.append_companions(bundle, "end")
    except OSError:
        pass  # as above


def _kill_init(facts: dict) -> None:  # type: ignore[type-arg]
    """Init dies with its supervisor; wait for that, and see to it (one with file capabilities does not)."""
    _kill(facts.get("pid") or 0, facts.get("pid_start_time") or 0)


def _kill(pid: int, start_time: int) -> None:
    """Kill the process that began at ``start_time``, and wait for its end."""
    try:
        pidfd = os.pidfd_open(pid) if pid else -1
    except OSError:
        return
    if pidfd < 0:
        return
    try:
        if worker.process_start_time(pid) == start_time:
            signals.pidfd_send_signal(pidfd, signals.SIGKILL)
            poller = select.poll()
            poller.register(pidfd, select.POLLIN)
            poller.poll(_SECONDS * 1000)
    except (FileNotFoundError, ProcessLookupError):
        pass  # it is dead
    finally:
        os.close(pidfd)


def _read(path: str) -> dict:  # type: ignore[type-arg]
    try:
        with open(path, encoding="utf-8") as file:
            value: dict = json_text.loads(file.read())  # type: ignore[type-arg]
            return value
    except (FileNotFoundError, ValueError):
        return {}
