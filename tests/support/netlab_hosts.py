"""Owns several hosts as network namespaces: one with containers, a client beside it, and one on a second network.

Every link has IPv4 and IPv6. The host of the containers has mounts of its own too, so that /sys shows its
network, and runs the program itself on a root of its own. Nothing of the machine's network is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

from engine.paths import Paths
from engine.shim.lock import lock_holder
from tests.support.leftovers import processes_of
from tests.support.netlab import delete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEAR, NEAR6 = "198.18.5.{}", "fd00:198:18:5::{}"
FAR, FAR6 = "198.18.6.{}", "fd00:198:18:6::{}"
_CLIENT = os.path.join(os.path.dirname(__file__), "netlab_client.py")
_REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_TIMEOUT = 60
_PATIENCE = 5.0
_OWN_SYS = """\
for kept in fs/cgroup kernel/security; do
  [ -d /sys/$kept ] && mkdir -p $1/$kept && mount --rbind /sys/$kept $1/$kept
done
mount -t sysfs sysfs /sys
for kept in fs/cgroup kernel/security; do
  [ -d $1/$kept ] && mount --rbind $1/$kept /sys/$kept && umount -l $1/$kept
done
echo ready
exec sleep 100000
"""


class Host:
    """A host; ``netns`` is the name of its namespace, ``address`` and ``address6`` are its own."""

    def __init__(self, netns: str, address: str, address6: str) -> None:
        self.netns, self.address, self.address6 = netns, address, address6

    def argv(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.netns}", *command]

    def run(self, *command: str, check: bool = True) -> str:
        """What ``command`` prints here."""
        return run(*self.argv(*command), check=check)

    def ip(self, *arguments: str) -> str:
        return run("ip", "-n", self.netns, *arguments)

    def get(self, address: str, port: int = 8080, patience: float = _PATIENCE) -> str:
        """The page of the web server there."""
        shown = f"[{address}]" if ":" in address else address
        return self.run(*_program("get", f"http://{shown}:{port}/", str(patience))).strip()

    def echo(self, address: str, port: int, text: str, patience: float = _PATIENCE) -> str:
        """What a server of datagrams sends back."""
        return self.run(*_program("echo", address, str(port), text, str(patience))).strip()

    def talk(self, address: str, port: int) -> Conversation:
        """A connection that stays."""
        return Conversation(self.argv(*_program("talk", address, str(port))))


class Conversation:
    """One TCP connection: a line is said, a line is the answer."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.read() == "connected"

    def say(self, line: str) -> str:
        self.write(line)
        return self.read()

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ContainerHost(Host):
    """The host that runs containers; ``paths`` is its root."""

    def __init__(self, netns: str, address: str, address6: str, folder: str) -> None:
        super().__init__(netns, address, address6)
        self.paths = Paths(root=f"{folder}/root", run=f"{folder}/run")
        os.makedirs(f"{folder}/sys", exist_ok=True)
        command = ["unshare", "--net", "--mount", "--propagation", "private"]
        self._holder = subprocess.Popen(
            [*command, "sh", "-euc", _OWN_SYS, "host", f"{folder}/sys"], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        run("ip", "netns", "attach", netns, str(self._holder.pid))

    def argv(self, *command: str) -> list[str]:
        environ = (f"TUIDOCK_ROOT={self.paths.root}", f"TUIDOCK_RUN={self.paths.run}", "TZ=UTC")
        return ["nsenter", "-t", str(self._holder.pid), "-n", "-m", "env", *environ, *command]

    def tuidock(self, *arguments: str, check: bool = True) -> str:
        """What a command line of the program prints."""
        return self.run(*self.program(*arguments), check=check).strip()

    def program(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tuidock", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command line of the program that goes on beside the test."""
        return subprocess.Popen(
            self.argv(*self.program(*arguments)),
            cwd=_REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tuidock("inspect", name))[0]
        return found

    def supervisor(self, name: str) -> int:
        """The pid of the process that supervises a running container."""
        holder = lock_holder(self.paths.container_lock(self.inspect(name)["Id"]))
        assert holder
        return holder

    def nft(self, *arguments: str) -> str:
        return self.run("nft", *arguments)

    def remove_all(self) -> None:
        """Remove every container, and every network that somebody made."""
        if containers := self.tuidock("ps", "-aq").split():
            self.tuidock("rm", "-f", "-v", *containers)
        self.tuidock("network", "prune", "-f")

    def network_state(self) -> tuple[str, ...]:
        """Links, addresses, routes and rules, to be compared; not the ones that stay until a reboot."""
        links = sorted(line.split("@")[0].split()[0] for line in self.ip("-br", "link").splitlines())
        tables = sorted(
            line for line in self.nft("list", "tables").splitlines() if "tuidock-forward" not in line
        )
        return (*links, *tables)

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    def processes(self) -> list[str]:
        return processes_of(self.paths)


class Hosts:
    """``engine`` runs the containers, ``client`` is beside it, ``far`` on its second network."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []
        mark = f"td{secrets.token_hex(3)}"
        self.engine = ContainerHost(f"{mark}engine", NEAR.format(1), NEAR6.format(1), folder)
        self.client = Host(f"{mark}client", NEAR.format(2), NEAR6.format(2))
        self.far = Host(f"{mark}far", FAR.format(2), FAR6.format(2))
        for host in (self.client, self.far):
            run("ip", "netns", "add", host.netns)
        for host in (self.engine, self.client, self.far):
            host.ip("link", "set", "lo", "up")
        _cable(self.engine, "up0", self.client, NEAR, NEAR6)
        _cable(self.engine, "up1", self.far, FAR, FAR6)
        for family, gateway in (("-4", NEAR.format(2)), ("-6", NEAR6.format(2))):
            self.engine.ip(family, "route", "add", "default", "via", gateway)
        for family, gateway in (("-4", FAR.format(1)), ("-6", FAR6.format(1))):
            self.far.ip(family, "route", "add", "default", "via", gateway)
        # As a machine has it that is no router; a namespace may inherit something else.
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.engine.run("sysctl", "-q", "-w", f"net.{name}=0")

    def serve(self, host: Host, *command: str) -> None:
        """A server on one of the hosts, until the end."""
        self._servers.append(subprocess.Popen(host.argv(*command)))

    def part(self) -> None:
        """The cable between the client and the container host is cut."""
        self.client.ip("link", "set", "up0", "down")

    def rejoin(self) -> None:
        """It is whole again; the kernel has kept the client's IPv4 address alone."""
        self.client.ip("link", "set", "up0", "up")
        self.client.ip("addr", "replace", f"{self.client.address6}/64", "dev", "up0", "nodad")

    def close(self) -> None:
        for server in self._servers:
            server.kill()
            server.wait()
        for host in (self.engine, self.client, self.far):
            delete(host.netns)
        self.engine.close()


@contextlib.contextmanager
def open_hosts() -> Iterator[Hosts]:
    """Hosts in a folder of their own; at the end they have no containers, nor processes of these."""
    with tempfile.TemporaryDirectory(prefix="td-", dir="/tmp") as folder:
        made = Hosts(folder)
        try:
            yield made
            made.engine.remove_all()
            assert made.engine.processes() == []
        finally:
            made.close()


def _cable(one: Host, name: str, other: Host, network: str, network6: str) -> None:
    ends = ("link", "add", name, "netns", one.netns, "type", "veth")
    run("ip", *ends, "peer", "name", name, "netns", other.netns)
    for number, host in enumerate((one, other), start=1):
        host.ip("addr", "add", f"{network.format(number)}/24", "dev", name)
        host.ip("addr", "add", f"{network6.format(number)}/64", "dev", name, "nodad")
        host.ip("link", "set", name, "up")


def _program(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", _CLIENT, *arguments)


def run(*command: str, check: bool = True) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_TIMEOUT, check=False, cwd=_REPOSITORY
    )
    if check:
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout
    return done.stdout + done.stderr


def until(holds: Callable[[], object], patience: float = _PATIENCE) -> None:
    """Wait until ``holds``; at the end it is asked once more, and must."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.05)
    assert holds()
