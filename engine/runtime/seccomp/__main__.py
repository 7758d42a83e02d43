"""Owns making the shipped programs again, with this machine's libseccomp; refuses arguments."""

from __future__ import annotations

import os
import sys

from engine.runtime.seccomp.shipped import MACHINES, VARIANTS, made_now, shipped_path

if __name__ == "__main__":
    for machine in MACHINES:
        for capabilities in VARIANTS:
            path = shipped_path(machine, capabilities)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(made_now(machine, capabilities))
            sys.stdout.write(f"{path}\n")
