"""Owns the engines that are measured: finding, installing, starting and ending each in folders of its own.

Every peer keeps its state below one temporary folder and, because the whole bench runs in a network
namespace of its own, its bridges and firewall rules end with it; where networks are compared, each peer has a
host to itself, so that no packet of one meets the rules of another. Nothing that runs on the machine is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field

from engine.paths import Paths
from tests.support.netlab_hosts import Hosts

IMAGE = "bench:latest"
_DAEMON_SECONDS = 60.0


@dataclass
class Peer:
    """One engine: ``command`` is how its command line begins, ``env`` what it needs in its environment."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    daemon: subprocess.Popen[bytes] | None = None
    hosts: Hosts | None = None

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
        try:
            ids = self.call("ps", "-aq", check=False).split()
            if ids:
                self.call("rm", "-f", *ids, check=False)
            if self.daemon is not None:
                self.daemon.terminate()
                self.daemon.wait(_DAEMON_SECONDS)
        finally:
            if self.hosts is not None:
                self.hosts.close()


def open_peers(folder: str, *, apart: bool = False) -> list[Peer]:
    """The engines that can be had here, ours first; each below ``folder``, ``apart`` on its own host."""
    _install_missing()
    peers = []
    for program, opener in (("tuidock", _tuidock), ("dockerd", _docker), ("podman", _podman)):
        if opener is not _tuidock and shutil.which(program) is None:
            print(f"bench: no {program} here: it is left out", file=sys.stderr)
            continue
        hosts = Hosts(f"{folder}/{program}-host") if apart else None
        try:
            peers.append(opener(f"{folder}/{program}", hosts))
        except RuntimeError as error:
            print(f"bench: {error}: it is left out", file=sys.stderr)
            if hosts is not None:
                hosts.close()
    return peers


def _install_missing() -> None:
    wanted = {
        "dockerd": "docker.io",
        "podman": "podman",
        "busybox": "busybox-static",
        "iperf3": "iperf3",
        "redis-benchmark": "redis-tools",
    }
    missing = [package for program, package in wanted.items() if shutil.which(program) is None]
    if missing:
        print(f"bench: installing {' '.join(missing)}", file=sys.stderr)
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            ["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing], env=environ, check=False
        )


def on_host(hosts: Hosts | None, *command: str) -> list[str]:
    """How ``command`` begins on a peer's own host."""
    return hosts.engine.argv(*command) if hosts is not None else list(command)


def _tuidock(folder: str, hosts: Hosts | None) -> Peer:
    program = os.path.join(os.path.dirname(sys.executable), "tuidock")
    paths = hosts.engine.paths if hosts is not None else Paths(root=f"{folder}/root", run=f"{folder}/run")
    environ = {"TUIDOCK_ROOT": paths.root, "TUIDOCK_RUN": paths.run}
    return Peer("tuidock", on_host(hosts, program), environ, hosts=hosts)


def _docker(folder: str, hosts: Hosts | None) -> Peer:
    os.makedirs(folder)
    address = f"unix://{folder}/docker.sock"
    arguments = [
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"),
        *("-H", address, "--exec-opt", "native.cgroupdriver=cgroupfs"),
    ]
    log = open(f"{folder}/log", "wb")  # noqa: SIM115 - the daemon keeps it
    daemon = subprocess.Popen(on_host(hosts, "dockerd", *arguments), stdout=log, stderr=log)
    # The builder that this release's command line uses unless told otherwise.
    peer = Peer("docker", on_host(hosts, "docker", "-H", address), {"DOCKER_BUILDKIT": "0"}, daemon, hosts)
    deadline = time.monotonic() + _DAEMON_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        if "Server Version" in peer.call("info", check=False):
            return peer
        time.sleep(0.2)
    daemon.terminate()
    with open(f"{folder}/log", encoding="utf-8", errors="replace") as file:
        raise RuntimeError(f"dockerd did not start: {file.readlines()[-1:]}")


def _podman(folder: str, hosts: Hosts | None) -> Peer:
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
        peer = Peer("podman", on_host(hosts, "podman", *store), {"CONTAINERS_CONF": config}, hosts=hosts)
        if peer.call("info", check=False):
            return peer
    raise RuntimeError("podman does not work here")


def versions(peers: list[Peer]) -> dict[str, str]:
    """What each says about itself in one line."""
    return {peer.name: (peer.call("--version", check=False).splitlines() or ["?"])[0] for peer in peers}
