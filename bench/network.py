"""Owns what is measured of networks: packets through published ports and between containers, names, starts.

The same servers (iperf3 and Redis, of the machine) run in a container of each peer, on a network that was
created for them; each peer has a host of its own, with a client beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bench.measure import Case
from bench.peers import IMAGE
from bench.warm import WarmEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.peers import Peer
    from tests.support.netlab_hosts import Host, Hosts

_NETWORK, _SERVER, _OTHER = "bench-net", "bench-server", "bench-other"
_PROGRAMS = {"iperf3": "iperf3", "redis-server": "redis-check-rdb", "redis-benchmark": "redis-benchmark"}
_SERVE = (
    "redis-server --protected-mode no --save '' --bind '*' '-::*' --daemonize yes > /dev/null; exec iperf3 -s"
)
_PORTS = ("-p", "5201:5201", "-p", "5201:5201/udp", "-p", "6379:6379")
_SECONDS = "1"
_ROUNDS = 7
_CROWD, _AT_ONCE = 50, 4
_TIMEOUT = 30
_SERVERS: set[str] = set()


def programs() -> dict[str, str]:
    """What the image holds beside busybox: the machine's files by their names in the image."""
    found = {name: shutil.which(source) for name, source in _PROGRAMS.items()}
    return {name: path for name, path in found.items() if path}


def network_cases() -> list[Case]:
    """Every case of the group."""
    routes = (
        ("published", "client to published port", _from_client),
        ("host", "host to published port", _from_host),
        ("container", "container to container", _from_container),
    )
    cases = []
    for name, what, route in routes:
        cases += _route_cases(name, what, route)
    return [*cases, *_name_cases(), *_start_cases()]


def _route_cases(name: str, what: str, route: Callable[[Peer, Sequence[str]], str]) -> list[Case]:
    def case(kind: str, how: str, unit: str, timer: Callable[[Peer], float]) -> Case:
        return Case(
            f"{kind}-{name}", f"{how}, {what}", _ROUNDS, prepare=_serve, timer=timer, unit=unit, apart=True
        )

    return [
        case("tcp", "TCP throughput (iperf3)", "Gbit/s", lambda peer: _gigabits(route(peer, _IPERF))),
        case("udp", "UDP packets of 64 bytes (iperf3)", "kp/s", lambda peer: _packets(route(peer, _UDP))),
        case("rr", "one request after the other (Redis)", "us", lambda peer: 1e6 / _rate(route(peer, _ONE))),
        case("load", "50 clients (Redis)", "req/s", lambda peer: _rate(route(peer, _FIFTY))),
        case("connect", "a connection each request", "us", lambda peer: 1e6 / _rate(route(peer, _NEW))),
    ]


_IPERF = ("iperf3", "-J", "-t", _SECONDS, "-c")
_UDP = ("iperf3", "-J", "-t", _SECONDS, "-u", "-b", "0", "-l", "64", "-c")
_REDIS = ("redis-benchmark", "--csv", "-t", "get")
_ONE = (*_REDIS, "-c", "1", "-n", "20000", "-h")
_FIFTY = (*_REDIS, "-c", "50", "-n", "60000", "-h")
_NEW = (*_REDIS, "-c", "1", "-n", "4000", "-k", "0", "-h")


def _from_client(peer: Peer, command: Sequence[str]) -> str:
    return _output(_hosts(peer).client, *command, _hosts(peer).engine.address)


def _from_host(peer: Peer, command: Sequence[str]) -> str:
    return _output(_hosts(peer).engine, *command, _hosts(peer).engine.address)


def _from_container(peer: Peer, command: Sequence[str]) -> str:
    return peer.call("exec", _OTHER, *command, _address(peer, _SERVER))


def _gigabits(report: str) -> float:
    return float(json.loads(report)["end"]["sum_received"]["bits_per_second"]) / 1e9


def _packets(report: str) -> float:
    """Thousands of packets that arrived in a second."""
    seen = json.loads(report)["end"]["sum"]
    return float(seen["packets"] - seen["lost_packets"]) / float(seen["seconds"]) / 1e3


def _rate(report: str) -> float:
    """Requests a second."""
    return float(report.splitlines()[-1].split(",")[1].strip('"'))


def _name_cases() -> list[Case]:
    def asked(kind: str, count: int, at_once: int) -> Callable[[Peer], float]:
        return lambda peer: _ask_names(peer, kind, count, at_once)

    def case(name: str, what: str, unit: str, timer: Callable[[Peer], float]) -> Case:
        return Case(name, what, _ROUNDS, prepare=_serve, timer=timer, unit=unit, apart=True)

    one, many = asked("seconds", 1000, 1), asked("rate", 4000, 16)
    return [
        case("dns-latency", "DNS: one look-up of a container's name after the other", "us", one),
        case("dns-rate", "DNS: 16 look-ups of a container's name at once", "names/s", many),
    ]


def _ask_names(peer: Peer, kind: str, count: int, at_once: int) -> float:
    pid = peer.call("inspect", "--format", "{{.State.Pid}}", _OTHER)
    program = os.path.join(os.path.dirname(__file__), "names.py")
    with open(f"/proc/{pid}/root/etc/resolv.conf", encoding="ascii") as file:
        server = next(line.split()[1] for line in file if line.startswith("nameserver"))
    command = (sys.executable, "-I", "-S", program, server, _SERVER, str(count), str(at_once))
    seconds = float(_run(["nsenter", "-t", pid, "--net", *command]))
    return 1e6 * seconds / count if kind == "seconds" else count / seconds


def _start_cases() -> list[Case]:
    engine = WarmEngine("bridge")
    return [
        Case(
            "warm-network",
            "what a bridge adds to create, start and wait in a running engine",
            40,
            prepare=engine.start,
            timer=engine.more_than_none,
            finish=engine.stop,
            only="tuidock",
            apart=True,
        ),
        Case(
            "crowd",
            f"run -d of {_CROWD} containers on one network, {_AT_ONCE} at once",
            3,
            prepare=_serve,
            timer=_start_crowd,
            apart=True,
        ),
        Case(
            "range",
            "run --rm -p 8000-8999:8000-8999 IMAGE true",
            2,
            lambda _peer: ("run", "--rm", "-p", "8000-8999:8000-8999", IMAGE, "true"),
            apart=True,
        ),
    ]


def _start_crowd(peer: Peer) -> float:
    names = [f"bench-crowd-{number}" for number in range(_CROWD)]

    def start(name: str) -> None:
        peer.call("run", "-d", "--name", name, "--network", _NETWORK, IMAGE, "sleep", "3600")

    begin = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as starting:
        for _ in starting.map(start, names):
            pass
    taken = time.perf_counter() - begin
    peer.call("rm", "-f", *names)
    return taken


def _serve(peer: Peer) -> None:
    """Start the servers and the container beside them, once a peer; they go with the peer."""
    if peer.name in _SERVERS:
        return
    peer.call("network", "create", _NETWORK)
    options = ("run", "-d", "--network", _NETWORK)
    peer.call(*options, "--name", _SERVER, *_PORTS, IMAGE, "sh", "-c", _SERVE)
    peer.call(*options, "--name", _OTHER, IMAGE, "sleep", "36000")
    _SERVERS.add(peer.name)


def _address(peer: Peer, name: str) -> str:
    seen = json.loads(peer.call("inspect", name))[0]["NetworkSettings"]["Networks"][_NETWORK]
    return str(seen["IPAddress"])


def _hosts(peer: Peer) -> Hosts:
    assert peer.hosts is not None
    return peer.hosts


def _output(host: Host, *command: str) -> str:
    return _run(host.argv(*command))


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(str(error)) from error
    if done.returncode != 0:
        said = f"{done.stdout}{done.stderr}".strip().splitlines()
        raise RuntimeError(f"{' '.join(command)}: {' '.join(said[-1:])}")
    return done.stdout
