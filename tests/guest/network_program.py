"""What is done of networks inside a guest whose kernel knows nf_tables: prints one JSON object of what was seen.

Run as root with the repository and its dependencies on the path; the argument is the tar of the servers' image.
"""

from __future__ import annotations

import json
import os
import sys

from tests.support.netlab_hosts import FAR, NEAR, NEAR6, Hosts, until
from tests.support.netlab_servers import ECHO, IMAGE, REDIS, WEB

HERE, HERE6 = NEAR.format(1), NEAR6.format(1)
_PATIENCE = 40.0
"""A guest may be forty times slower."""


def pages(hosts: Hosts) -> dict[str, object]:
    """Who gets what from the published web server."""
    ways = [
        ("client", HERE),
        ("client", HERE6),
        ("far", FAR.format(1)),
        ("engine", HERE),
        ("engine", "127.0.0.1"),
        ("engine", "::1"),
    ]
    seen = {f"{who} {way}": getattr(hosts, who).get(way, patience=_PATIENCE) for who, way in ways}
    return {"pages": seen}


def servers(hosts: Hosts) -> dict[str, object]:
    echoes = [hosts.client.echo(way, 7, "round trip", _PATIENCE) for way in (HERE, HERE6)]
    with hosts.client.talk(HERE, 6379) as redis:
        said = [redis.say("SET parted 1")]
        hosts.part()
        redis.write("INCR parted")
        hosts.rejoin()
        said.append(redis.read())
    return {"echoes": echoes, "redis": said}


def names(hosts: Hosts) -> dict[str, object]:
    """Between containers: by name, from a network that is shut, from another network, from itself."""
    engine = hosts.engine
    engine.tuidock("network", "create", "--internal", "shut")
    started = ("run", "-d", "--network", "shut", "--name", "inside", "-h", "inside", IMAGE, *WEB)
    engine.tuidock(*started)
    ways = {
        "by name": ("web2", "web"),
        "itself": ("web", f"{HERE}:8080"),
        "out of a shut network": ("inside", NEAR.format(2)),
        "into a shut network": (
            "web",
            engine.inspect("inside")["NetworkSettings"]["Networks"]["shut"]["IPAddress"],
        ),
    }
    return {"between": {what: _page(hosts, name, way) for what, (name, way) in ways.items()}}


def reload(hosts: Hosts) -> dict[str, object]:
    hosts.engine.nft("flush", "ruleset")
    wanted = [f"web {hosts.client.address}", f"web {hosts.client.address6}"]
    until(lambda: [hosts.client.get(way, patience=_PATIENCE) for way in (HERE, HERE6)] == wanted, _PATIENCE)
    return {"after a reload": hosts.client.get(HERE6, patience=_PATIENCE)}


def ends(hosts: Hosts) -> dict[str, object]:
    """A supervisor is killed; then everything is removed."""
    os.kill(hosts.engine.supervisor("echo"), 9)
    until(lambda: not hosts.engine.inspect("echo")["State"]["Running"], _PATIENCE)
    hosts.engine.remove_all()
    with open("/proc/net/ip_tables_names", encoding="ascii") as file:
        legacy = file.read().split()
    return {"left": hosts.engine.network_state(), "tables of the old kind": legacy}


def _page(hosts: Hosts, name: str, address: str) -> str:
    asked = ("timeout", "5", "wget", "-q", "-O", "-", f"http://{address}/")
    done = hosts.engine.run(*hosts.engine.program("exec", name, *asked), check=False)
    return done.split()[0] if done and "wget:" not in done and "Terminated" not in done else ""


def main(archive: str) -> dict[str, object]:
    hosts = Hosts("/root/td-net")
    engine = hosts.engine
    engine.tuidock("import", archive, IMAGE)
    engine.tuidock("network", "create", "--ipv6", "dual")
    for name, ports, command in (
        ("web", ("-p", "8080:80"), WEB),
        ("web2", (), WEB),
        ("redis", ("-p", "6379:6379"), REDIS),
        ("echo", ("-p", "7:7/udp"), ECHO),
    ):
        engine.tuidock("run", "-d", "--name", name, "-h", name, "--network", "dual", *ports, IMAGE, *command)
    found: dict[str, object] = {}
    for part in (pages, servers, names, reload, ends):
        found |= part(hosts)
    hosts.close()
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
