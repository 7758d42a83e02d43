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
ONE, TWO, THREE = ("0" * 11 + digit for digit in "123")
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
