"""Owns what tests of containers in networks begin with: members, and what the kernel says of them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from engine.options import CreateOptions, EndpointOptions
from tests.support.containers import sh

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.paths import Paths
    from engine.records import Container

PLACE = os.getpid() % 250
"""Tests that run beside these in another process have subnets of their own."""
FIXED, FIXED6 = f"10.213.{PLACE}", f"fd00:213:{PLACE:x}::"


def member(*wanted: str | EndpointOptions, **options: Any) -> CreateOptions:
    """A container that sleeps in networks."""
    ends = tuple(EndpointOptions(network=one) if isinstance(one, str) else one for one in wanted)
    return sh("exec sleep 1000", network=ends[0].network, endpoints=ends, **options)


def inside(container: Container, *command: str) -> str:
    """What ``command`` of the host prints in the container's network namespace."""
    argv = ["nsenter", f"--net=/proc/{container.state.pid}/ns/net", *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def _link_local(address: str) -> bool:
    return address.startswith(("fe80:", "169.254."))


def links(container: Container) -> dict[str, list[str]]:
    """The addresses of each interface, but for those that the kernel gives by itself."""
    listed = json.loads(inside(container, "ip", "-j", "address"))
    return {
        link["ifname"]: [info["local"] for info in link["addr_info"] if not _link_local(info["local"])]
        for link in listed
        if link["ifname"] != "lo"
    }


def ways_out(container: Container) -> list[str]:
    """The interfaces of the default routes, IPv4's and IPv6's."""
    found = []
    for family in ("-4", "-6"):
        routes = json.loads(inside(container, "ip", "-j", family, "route", "show", "default"))
        found.append(",".join(route["dev"] for route in routes))
    return found


def recorded(container: Container) -> dict[str, list[str]]:
    """As ``links``, of what the engine says."""
    return {
        end.interface: [address for address in (end.address, end.address6) if address]
        for end in container.endpoints
    }


def bundled(paths: Paths, container: Container) -> dict[str, Any]:
    """The ``network`` that the container's supervisor has."""
    with open(paths.container_bundle(container.id), encoding="utf-8") as file:
        network: dict[str, Any] = json.load(file)["network"]
    return network


async def addresses(engine: Engine, network: str) -> list[str]:
    """Those of the containers in ``network``, IPv4's."""
    shown = (await engine.networks.inspect(network))["Containers"]
    return [one["IPv4Address"].partition("/")[0] for one in shown.values()]
