from __future__ import annotations

import os
import subprocess
import sys

from engine.shim import lock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def hold(path: str) -> subprocess.Popen[str]:
    program = (
        "import sys, time; sys.path[:0] = [sys.argv[1]]\n"
        "from engine.shim import lock\n"
        "print(lock.take_lock(sys.argv[2]) is not None, flush=True); time.sleep(1000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, ROOT, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_lock_of_a_living_process_is_taken_and_names_it(tmp_path):
    path = str(tmp_path / "run" / "lock")
    holder = hold(path)
    assert lock.lock_holder(path) == holder.pid
    assert lock.take_lock(path) is None
    assert lock.take_lock_of_dead(path) is None
    end(holder)
    assert lock.lock_holder(path) == 0
    assert lock.take_lock(path) is not None


def test_lock_of_nothing(tmp_path):
    path = str(tmp_path / "run" / "lock")
    assert lock.lock_holder(path) == 0
    assert lock.take_lock_of_dead(path) is None
    assert not os.path.exists(tmp_path / "run")
