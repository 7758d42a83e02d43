"""A host whose kernel has no nf_tables: ports are relayed, and nothing is opened that nothing would guard."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from engine.paths import Paths
from tests.support.leftovers import leftovers
from tests.support.netlab import HOST_ADDRESS, Lab, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

_WITHOUT = os.path.join(os.path.dirname(os.path.dirname(__file__)), "support", "without_nftables.py")


def engine(lab: Lab, verb: str) -> None:
    program = ("-m", "tests.support.netlab_program", "engine", lab.root, verb)
    run("ip", "netns", "exec", lab.host, sys.executable, _WITHOUT, "--nor-iptables", sys.executable, *program)


@pytest.fixture
def lab(short_folder: str) -> Iterator[Lab]:
    made = Lab(short_folder)
    engine(made, "run")
    yield made
    engine(made, "remove")
    found = leftovers(Paths(root=f"{short_folder}/root", run=f"{short_folder}/run"))
    made.close()
    assert found == []


def test_a_published_port_is_relayed_and_the_host_stays_no_router(lab: Lab) -> None:
    for netns, address in ((lab.client, HOST_ADDRESS), (lab.host, "127.0.0.1")):
        assert lab.python(netns, "fetch", f"http://{address}:8080/").strip() == "hello from web"
    switches = run("ip", "netns", "exec", lab.host, "cat", "/proc/sys/net/ipv4/ip_forward")
    assert (switches.strip(), lab.nft("list", "ruleset")) == ("0", "")
