"""Owns what the tests know of this machine's network: is there a mirror, and does the host forward to it?"""

from __future__ import annotations

import functools
import os
import subprocess
from urllib.parse import urlsplit

_HTTP_PORTS = {"http": 80, "https": 443}
_SUBNET = "198.18.77"
"""Of the range for benchmarks (RFC 2544), which no real network uses."""


@functools.cache
def why_no_network() -> str:
    """Empty if apt can reach its first source, else one line for the skip's reason."""
    if not _sites():
        return "no Debian mirror is configured"
    # apt itself is asked, because it knows the proxy, the certificates and the authentication.
    probe = subprocess.run(
        ["apt-get", "-q", "download", "--print-uris", "base-files"],
        check=False,
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0 or "http" not in probe.stdout:
        return f"apt does not know base-files: {probe.stderr.strip().splitlines()[-1:]}"
    return ""


def mirror() -> tuple[str, int]:
    """The host and port of apt's first source."""
    site = urlsplit(_sites()[0])
    return site.hostname or "", site.port or _HTTP_PORTS[site.scheme]


def forwards_to_mirror() -> bool:
    """Whether a plain network namespace behind plain masquerading reaches the mirror: nothing of ours in it.

    The host may be allowed out while what it forwards is not. Needs net.ipv4.ip_forward, and root.
    """
    name = f"td{os.getpid()}"
    host, port = mirror()
    rules = (
        f"table ip {name} {{\nchain postrouting {{\ntype nat hook postrouting priority 100;\n"
        f"ip saddr {_SUBNET}.0/24 masquerade\n}}\n}}\n"
    )
    connect = f"import socket; socket.create_connection(({host!r}, {port}), 20)"
    steps = (
        f"ip netns add {name}",
        f"ip link add {name} type veth peer name eth0 netns {name}",
        f"ip address add {_SUBNET}.1/24 dev {name}",
        f"ip link set {name} up",
        f"ip -n {name} address add {_SUBNET}.2/24 dev eth0",
        f"ip -n {name} link set eth0 up",
        f"ip -n {name} route add default via {_SUBNET}.1",
    )
    try:
        for step in steps:
            subprocess.run(step.split(), check=True)
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        probe = ["ip", "netns", "exec", name, "python3", "-c", connect]
        return subprocess.run(probe, check=False, capture_output=True, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        for step in (f"ip netns delete {name}", f"ip link delete {name}", f"nft delete table ip {name}"):
            subprocess.run(step.split(), check=False, capture_output=True)


def _sites() -> list[str]:
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], check=False, capture_output=True, text=True
    )
    return [site for site in listing.stdout.split() if site.startswith(("http://", "https://"))]
