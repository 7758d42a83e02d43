"""A host whose kernel has iptables and no nf_tables: all that nftables does is done by it; the host is a namespace."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.netlab import CLIENT_ADDRESS, CLIENT_ADDRESS6, HOST_ADDRESS, HOST_ADDRESS6, Lab, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

_WITHOUT = os.path.join(os.path.dirname(os.path.dirname(__file__)), "support", "without_nftables.py")
ONE, TWO, THREE = (digit + "0" * 11 for digit in "123")
ECHO, PORT = 7007, 8080
PUBLISHED = [{"container_port": 80, "host_port": PORT}]


class OldHost(Lab):
    """A lab whose host speaks of its rules with iptables-legacy alone."""

    def python(self, netns: str, *arguments: str) -> str:
        program = (sys.executable, "-m", "tests.support.netlab_program", *arguments)
        return run("ip", "netns", "exec", netns, sys.executable, _WITHOUT, *program)

    def on_host(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.host, *command)

    def rules(self, table: str = "", family: str = "") -> list[str]:
        """Those of all tables, without what counts and comments."""
        only = ("-t", table) if table else ()
        told = self.on_host(f"ip{family}tables-legacy-save", *only)
        return [line for line in told.splitlines() if line.startswith("-A")]

    def create(self, name: str, **options: Any) -> None:
        self.networks("create", json.dumps({"name": name, "driver": "bridge", **options}))


@pytest.fixture
def lab(short_folder: str) -> Iterator[OldHost]:
    made = OldHost(short_folder)
    yield made
    nftables = made.nft("list", "ruleset")
    made.close()
    assert nftables == ""


def test_published_ports_are_led_and_the_way_out_translated(lab: OldHost) -> None:
    lab.create("mine", ipv6=True, subnets=["10.77.1.0/24", "fd00:77::/64"])
    web = lab.attach(ONE, network="mine", ports=PUBLISHED)
    lab.serve(web["netns"], "tcp", 80, "::")
    lab.serve(lab.client, "tcp", ECHO, CLIENT_ADDRESS)
    lab.serve(lab.client, "tcp", ECHO, CLIENT_ADDRESS6)
    seen = {
        "from outside": lab.ask(lab.client, "tcp", HOST_ADDRESS, PORT),
        "from outside by IPv6": lab.ask(lab.client, "tcp", HOST_ADDRESS6, PORT),
        "from the host": lab.ask(lab.host, "tcp", HOST_ADDRESS, PORT),
        "from its loopback": lab.ask(lab.host, "tcp", "127.0.0.1", PORT),
        "from itself": lab.ask(web["netns"], "tcp", HOST_ADDRESS, PORT),
        "way out": lab.ask(web["netns"], "tcp", CLIENT_ADDRESS, ECHO),
        "way out by IPv6": lab.ask(web["netns"], "tcp", CLIENT_ADDRESS6, ECHO),
    }
    assert seen == {
        "from outside": f"::ffff:{CLIENT_ADDRESS}",
        "from outside by IPv6": CLIENT_ADDRESS6,
        "from the host": f"::ffff:{HOST_ADDRESS}",
        "from its loopback": "::ffff:10.77.1.1",
        "from itself": "::ffff:10.77.1.1",
        "way out": HOST_ADDRESS,
        "way out by IPv6": HOST_ADDRESS6,
    }
    lab.detach(web, ONE)
    lab.networks("remove", "mine")
    guard = [line for line in (*lab.rules(), *lab.rules(family="6")) if "tuidock-forward" not in line.lower()]
    assert guard == []


def test_networks_are_kept_apart_where_somebody_else_drops_too(lab: OldHost) -> None:
    lab.on_host("iptables-legacy", "-P", "FORWARD", "DROP")
    for name, options in (("one", {}), ("two", {}), ("shut", {"internal": True})):
        lab.create(name, **options)
    ends = [
        lab.attach(owner, network=network, ports=ports)
        for owner, network, ports in ((ONE, "one", PUBLISHED), (TWO, "two", ()), (THREE, "shut", ()))
    ]
    web, guest, shut = ends
    address = web["endpoints"][0]["address"]
    lab.serve(web["netns"], "tcp", 80)
    lab.serve(lab.client, "tcp", ECHO, CLIENT_ADDRESS)
    lab.ip(lab.client, "route", "add", f"{address}/32", "via", HOST_ADDRESS)
    seen = {
        "published": lab.ask(lab.client, "tcp", HOST_ADDRESS, PORT),
        "published, from another network": lab.ask(guest["netns"], "tcp", HOST_ADDRESS, PORT),
        "way out": lab.ask(guest["netns"], "tcp", CLIENT_ADDRESS, ECHO),
        "unpublished": lab.ask(lab.client, "tcp", address, 80),
        "unpublished, from another network": lab.ask(guest["netns"], "tcp", address, 80),
        "internal, way out": lab.ask(shut["netns"], "tcp", CLIENT_ADDRESS, ECHO),
    }
    assert seen == {
        "published": CLIENT_ADDRESS,
        "published, from another network": web["endpoints"][0]["gateway"],
        "way out": HOST_ADDRESS,
        "unpublished": "",
        "unpublished, from another network": "",
        "internal, way out": "",
    }
    for end, owner in zip(ends, (ONE, TWO, THREE), strict=True):
        lab.detach(end, owner)
    assert [line for line in lab.rules() if "tuidock-forward" not in line.lower()] == []


def test_a_check_mends_what_is_flushed_and_removes_what_a_killed_supervisor_left(lab: OldHost) -> None:
    lab.networks("engine", "run")
    made = sorted(lab.rules())
    lab.on_host("iptables-legacy", "-t", "nat", "-F")
    lab.on_host("iptables-legacy", "-t", "mangle", "-F", "FORWARD")
    found = lab.networks("engine", "repair")
    assert {(one["kind"], one["repaired"]) for one in found} == {("table", True)}
    guard = [line for line in made if "tuidock-forward" in line.lower()]
    assert [line for line in made if line not in lab.rules()] == [guard[0]]  # somebody may want a router
    assert lab.python(lab.client, "fetch", f"http://{HOST_ADDRESS}:{PORT}/").strip() == "hello from web"
    lab.networks("engine", "kill supervisor")
    lab.networks("engine", "repair")
    assert [line for line in lab.rules() if "tuidock-forward" not in line.lower()] == []
    lab.networks("engine", "remove")


def test_a_start_restores_what_its_bridge_has_lost(lab: OldHost) -> None:
    lab.create("mine")
    first = lab.attach(ONE, network="mine")
    made = sorted(lab.rules())
    for table in ("nat", "mangle"):
        lab.on_host("iptables-legacy", "-t", table, "-F")
    second = lab.attach(TWO, network="mine")
    assert sorted(lab.rules()) == made
    for end, owner in ((first, ONE), (second, TWO)):
        lab.detach(end, owner)
