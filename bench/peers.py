"""Owns the engines that are measured: finding, installing, starting and ending each in folders of its own.

Every peer keeps its state below one temporary folder and, because the whole bench runs in a network
namespace of its own, its bridges and firewall rules end with it. Nothing that runs on the machine is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field

IMAGE = "bench:latest"
_DAEMON_SECONDS = 60.0


@dataclass
class Peer:
    """One engine: ``command`` is how its command line begins, ``env`` what it needs in its environment."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    daemon: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        # As on an ordinary machine: compiled modules are kept, and found by the next command.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, **self.env}

    def call(self, *arguments: str, check: bool = True) -> str:
        """Run a command that is not measured; returns what it printed."""
        ended = subprocess.run(
            [*self.command, *arguments], env=self.environment(), check=False, capture_output=True, text=True
        )
        if check and ended.returncode != 0:
            raise RuntimeError(
                f"{self.name} {' '.join(arguments)}: {ended.stderr.strip() or ended.returncode}"
            )
        return ended.stdout.strip()

    def stop(self) -> None:
        """Remove the peer's containers and end its daemon."""
        ids = self.call("ps", "-aq", check=False).split()
        if ids:
            self.call("rm", "-f", *ids, check=False)
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait(_DAEMON_SECONDS)


def open_peers(folder: str) -> list[Peer]:
    """The engines that can be had here, ours first; each has a folder below ``folder``."""
    _install_missing()
    peers = [_tuidock(f"{folder}/tuidock")]
    for program, opener in (("dockerd", _docker), ("podman", _podman)):
        if shutil.which(program) is None:
            print(f"bench: no {program} here: it is left out", file=sys.stderr)
            continue
        try:
            peers.append(opener(f"{folder}/{program}"))
        except RuntimeError as error:
            print(f"bench: {error}: it is left out", file=sys.stderr)
    return peers


def _install_missing() -> None:
    wanted = {"dockerd": "docker.io", "podman": "podman", "busybox": "busybox-static"}
    missing = [package for program, package in wanted.items() if shutil.which(program) is None]
    if missing:
        print(f"bench: installing {' '.join(missing)}", file=sys.stderr)
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            ["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing], env=environ, check=False
        )


def _tuidock(folder: str) -> Peer:
    program = os.path.join(os.path.dirname(sys.executable), "tuidock")
    return Peer("tuidock", [program], {"TUIDOCK_ROOT": f"{folder}/root", "TUIDOCK_RUN": f"{folder}/run"})


def _docker(folder: str) -> Peer:
    os.makedirs(folder)
    address = f"unix://{folder}/docker.sock"
    arguments = [
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"),
        *("-H", address, "--exec-opt", "native.cgroupdriver=cgroupfs"),
    ]
    log = open(f"{folder}/log", "wb")  # noqa: SIM115 - the daemon keeps it
    daemon = subprocess.Popen(["dockerd", *arguments], stdout=log, stderr=log)
    # The builder that this release's command line uses unless told otherwise.
    peer = Peer("docker", ["docker", "-H", address], {"DOCKER_BUILDKIT": "0"}, daemon)
    deadline = time.monotonic() + _DAEMON_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        if "Server Version" in peer.call("info", check=False):
            return peer
        time.sleep(0.2)
    daemon.terminate()
    with open(f"{folder}/log", encoding="utf-8", errors="replace") as file:
        raise RuntimeError(f"dockerd did not start: {file.readlines()[-1:]}")


def _podman(folder: str) -> Peer:
    os.makedirs(folder)
    config = f"{folder}/containers.conf"
    runtime = next(name for name in ("runc", "crun") if shutil.which(name) or name == "crun")
    with open(config, "w", encoding="utf-8") as file:
        file.write(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
            f'[engine]\nruntime = "{runtime}"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'[network]\nnetwork_config_dir = "{folder}/networks"\n'
        )
    for driver in ("overlay", "vfs"):
        store = [
            "--root",
            f"{folder}/{driver}",
            "--runroot",
            f"{folder}/run-{driver}",
            "--storage-driver",
            driver,
        ]
        peer = Peer("podman", ["podman", *store], {"CONTAINERS_CONF": config})
        if peer.call("info", check=False):
            return peer
    raise RuntimeError("podman does not work here")


def versions(peers: list[Peer]) -> dict[str, str]:
    """What each says about itself in one line."""
    return {peer.name: (peer.call("--version", check=False).splitlines() or ["?"])[0] for peer in peers}
