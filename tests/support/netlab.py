"""Owns a small network of namespaces: a host that runs containers, joined by veth to a client beyond it.

Nothing of the machine's own network is touched: every namespace is made here and removed at the end.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import subprocess
import sys
from typing import Any

HOST_ADDRESS = "198.18.5.1"
CLIENT_ADDRESS = "198.18.5.2"
HOST_ADDRESS6, CLIENT_ADDRESS6 = "fd00:198:18:5::1", "fd00:198:18:5::2"
UPLINK_MTU = 1400
_PROGRAM = os.path.join(os.path.dirname(__file__), "netlab_program.py")
_REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Lab:
    """``host`` and ``client`` are names of namespaces; ``attach`` adds one for each container."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._mark = f"td{secrets.token_hex(3)}"
        self.host = self._namespace("host")
        self.client = self._namespace("client")
        self._processes: list[subprocess.Popen[str]] = []
        run(
            "ip",
            "link",
            "add",
            "up0",
            "netns",
            self.host,
            "type",
            "veth",
            "peer",
            "name",
            "up0",
            "netns",
            self.client,
        )
        ends = (
            (self.host, HOST_ADDRESS, HOST_ADDRESS6),
            (self.client, CLIENT_ADDRESS, CLIENT_ADDRESS6),
        )
        for name, address, address6 in ends:
            self.ip(name, "addr", "add", f"{address}/24", "dev", "up0")
            self.ip(name, "addr", "add", f"{address6}/64", "dev", "up0", "nodad")
            self.ip(name, "link", "set", "up0", "up", "mtu", str(UPLINK_MTU))
            self.ip(name, "link", "set", "lo", "up")
        self.ip(self.host, "route", "add", "default", "via", CLIENT_ADDRESS)
        self.ip(self.host, "-6", "route", "add", "default", "via", CLIENT_ADDRESS6)
        # As a machine has it that is no router; a namespace may inherit something else.
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            run("ip", "netns", "exec", self.host, "sysctl", "-q", "-w", f"net.{name}=0")

    def beyond(self, host_address: str, address: str) -> str:
        """One more namespace, at ``address`` behind another interface of the host."""
        name = self._namespace("beyond")
        run(
            "ip",
            "link",
            "add",
            "up1",
            "netns",
            self.host,
            "type",
            "veth",
            "peer",
            "name",
            "up1",
            "netns",
            name,
        )
        for at, own in ((self.host, host_address), (name, address)):
            self.ip(at, "addr", "add", f"{own}/24", "dev", "up1")
            self.ip(at, "link", "set", "up1", "up")
        self.ip(name, "route", "add", "default", "via", host_address)
        return name

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        listed = run("ip", "netns", "list").split("\n")
        for name in (line.split(" ")[0] for line in listed):
            if name.startswith(self._mark):
                delete(name)

    def attach(self, owner: str, **options: Any) -> dict[str, Any]:
        """A container's namespace, attached as its supervisor does it; the attachment as JSON."""
        name = self._namespace(secrets.token_hex(3))
        attachment = json.loads(
            self.python(self.host, "attach", self.root, owner, json.dumps(options), f"/run/netns/{name}")
        )
        self.python(name, "send", json.dumps(attachment["bundle"]["container"]))
        return {**attachment, "netns": name}

    def networks(self, verb: str, *arguments: str) -> Any:
        """A verb of the engine's networks, in the host's namespace; its answer as JSON."""
        return json.loads(self.python(self.host, verb, self.root, *arguments))

    def refused_networks(self, verb: str, *arguments: str) -> str:
        """What a verb says without CAP_NET_ADMIN."""
        powerless = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
        command = (
            "ip",
            "netns",
            "exec",
            self.host,
            *powerless,
            sys.executable,
            _PROGRAM,
            verb,
            self.root,
            *arguments,
        )
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        return done.stderr.splitlines()[-1]

    def detach(self, attachment: dict[str, Any], owner: str) -> None:
        """As the supervisor does it: the namespace goes with the container's last process."""
        if attachment["netns"] in run("ip", "netns", "list").split():
            run("ip", "netns", "del", attachment["netns"])
        self.python(self.host, "send", json.dumps(attachment["bundle"]["teardown"]))
        self.python(self.host, "leave", json.dumps(attachment["bundle"]["firewall"]))
        self.python(self.host, "release", self.root, owner)

    def serve(self, netns: str, protocol: str, port: int, address: str = "0.0.0.0") -> None:
        """A server that answers every client with the address that it sees."""
        command = [
            "ip",
            "netns",
            "exec",
            netns,
            sys.executable,
            _PROGRAM,
            "serve",
            protocol,
            address,
            str(port),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_REPOSITORY)
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def ask(self, netns: str, protocol: str, address: str, port: int) -> str:
        """What the server at ``address:port`` answers a client in ``netns``; "" if there is no answer."""
        return self.python(netns, "ask", protocol, address, str(port)).strip()

    def python(self, netns: str, *arguments: str) -> str:
        return run("ip", "netns", "exec", netns, sys.executable, _PROGRAM, *arguments)

    def ip(self, netns: str, *arguments: str) -> str:
        return run("ip", "-n", netns, *arguments)

    def nft(self, *arguments: str) -> str:
        """nft in the host's namespace."""
        return run("ip", "netns", "exec", self.host, "nft", *arguments)

    def leftovers(self) -> tuple[tuple[str, ...], str]:
        """The names of the host's links, and its rules, to be compared."""
        links = self.ip(self.host, "-br", "link").splitlines()
        return tuple(line.split()[0] for line in links), self.nft("-s", "list", "ruleset")

    def _namespace(self, name: str) -> str:
        full = f"{self._mark}{name}"
        run("ip", "netns", "add", full)
        return full


def create(lab: Lab, **options: Any) -> dict[str, Any]:
    """The network ``mine``."""
    made: dict[str, Any] = lab.networks("create", json.dumps({"name": "mine", **options}))
    return made


def attach(lab: Lab, *, ports: Any = (), **wish: Any) -> dict[str, Any]:
    """A new container in it, with what its end is."""
    endpoints = [{"network": "mine", **wish}]
    made = lab.attach(secrets.token_hex(32), network="mine", endpoints=endpoints, ports=ports)
    return {**made, **made["endpoints"][0]}


@functools.cache
def makes(kind: str) -> bool:
    """Whether the kernel can make interfaces of this kind; tried in a namespace that goes again."""
    name = f"td{secrets.token_hex(4)}"
    tried = f"ip link add {name}p type veth && ip link add link {name}p {name} type {kind}"
    more = " id 7" if kind == "vlan" else ""
    command = ["unshare", "--net", "sh", "-c", tried + more]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def delete(netns: str) -> None:
    """A namespace goes, and what is kept of its guard tables."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"/run/tuidock-forward-{os.stat(f'/run/netns/{netns}').st_ino}.json")
    run("ip", "netns", "del", netns)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=_REPOSITORY)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
