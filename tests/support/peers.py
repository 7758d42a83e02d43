"""Owns the other engines and tools as peers of tests: docker, podman and skopeo in folders of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

_SECONDS = 120


def run(*command: str, environ: dict[str, str] | None = None) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env=os.environ | (environ or {}),
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def require(program: str) -> None:
    """Skip where ``program`` is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"NEEDS A PEER: apt-get install {program}")


class Docker:
    """A dockerd in ``folder``, without networks; ``insecure`` registries need no TLS."""

    def __init__(self, folder: str, insecure: str) -> None:
        require("dockerd")
        self._socket = f"unix://{folder}/s"
        # Its own configuration: one that is there may want what contradicts these options.
        with open(f"{folder}/daemon.json", "w", encoding="ascii") as file:
            file.write("{}")
        options = {
            "config-file": f"{folder}/daemon.json",
            "data-root": f"{folder}/data",
            "exec-root": f"{folder}/exec",
            "pidfile": f"{folder}/pid",
            "host": self._socket,
            "bridge": "none",
            "iptables": "false",
            "ip-forward": "false",
            "storage-driver": "overlay2",
            "insecure-registry": insecure,
            "log-level": "error",
        }
        self._command = ["dockerd", *(f"--{name}={value}" for name, value in options.items())]
        self._log = f"{folder}/log"

    def __enter__(self) -> Self:
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        for _ in range(300):
            command = ["docker", "-H", self._socket, "version"]
            if subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0:
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.__exit__()
        with open(self._log, encoding="utf-8") as log:
            raise AssertionError(f"dockerd does not answer: {log.read()}")

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def __call__(self, *arguments: str) -> str:
        return run("docker", "-H", self._socket, *arguments)


class Podman:
    """Podman on a store in ``folder``, whose name must be short."""

    def __init__(self, folder: str) -> None:
        require("podman")
        config = Path(folder) / "containers.conf"
        config.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        self._environ = {"CONTAINERS_CONF": str(config)}
        self._stores = (f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp")

    def __call__(self, *arguments: str) -> str:
        return run("podman", *self._stores, *arguments, environ=self._environ)
