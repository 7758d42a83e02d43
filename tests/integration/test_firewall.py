"""Rules of others and rules of ours on one host: what these drop, take away and leave; the host is a namespace."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from engine.paths import Paths
from tests.support.leftovers import leftovers
from tests.support.netlab import CLIENT_ADDRESS, HOST_ADDRESS, Lab, run
from tests.support.netlab_hosts import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

PAGE = "hello from web"
ECHO = 7007


class Shared(Lab):
    """A lab with one container behind a published port, and a server beyond the host."""

    web: dict[str, Any]
    bridge: str

    def passes(self) -> bool:
        """Whether the container is reached through its port, and reaches the client."""
        out = (sys.executable, "-m", "tests.support.netlab_program", "ask", "tcp", CLIENT_ADDRESS, str(ECHO))
        netns = f"--net=/proc/{self.web['state']['pid']}/ns/net"
        answered = run("nsenter", netns, *out).strip() == HOST_ADDRESS
        return answered and self.python(self.client, "fetch", f"http://{HOST_ADDRESS}:8080/").strip() == PAGE

    def on_host(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.host, *command)

    def marked(self, listing: str) -> int:
        return listing.count(f"tuidock:{self.bridge}")


@pytest.fixture(scope="module")
def host() -> Iterator[Shared]:
    folder = f"/tmp/tdf{os.getpid()}"
    os.mkdir(folder, 0o700)
    lab = Shared(folder)
    try:
        lab.serve(lab.client, "tcp", ECHO, CLIENT_ADDRESS)
        lab.web = lab.networks("engine", "run")
        lab.bridge = lab.networks("list")[0]["bridge"]
        yield lab
        lab.networks("engine", "remove")
        assert leftovers(Paths(root=f"{folder}/root", run=f"{folder}/run")) == []
    finally:
        lab.close()
        shutil.rmtree(folder)


@pytest.fixture
def lab(host: Shared) -> Iterator[Shared]:
    yield host
    for table in host.nft("list", "tables").splitlines():
        if "tuidock-" not in table:
            host.nft("delete", *table.split())
    for tool in ("iptables-legacy", "ip6tables-legacy"):
        host.on_host(tool, "-P", "FORWARD", "ACCEPT")
        host.on_host(tool, "-F")
    until(lambda: "tuidock-br-" in host.nft("list", "tables"))


def chain_of(policy: str, *rules: str) -> str:
    """The text of a ruleset of somebody else's."""
    hook = f"type filter hook forward priority 5 ; policy {policy} ;"
    return f"table inet others {{\nchain ahead {{\n{hook}\n" + "\n".join(rules) + "\n}\n}\n"


def load(lab: Shared, text: str, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text(text)
    lab.nft("-f", str(tmp_path / "rules"))


def test_tables_come_back_after_a_flush(lab: Shared) -> None:
    tables = lab.nft("list", "tables").splitlines()
    before = [lab.nft("-s", "list", *table.split()) for table in tables]
    lab.nft("flush", "ruleset")
    until(lambda: lab.nft("list", "tables").count("tuidock-") == len(tables))
    assert [lab.nft("-s", "list", *table.split()) for table in tables] == before
    assert "table ip tuidock-forward" in tables
    assert lab.passes()


def test_a_guard_that_an_administrator_deletes_stays_away(lab: Shared) -> None:
    guard = lab.nft("list", "table", "ip", "tuidock-forward")
    lab.nft("delete", "table", "ip", "tuidock-forward")
    lab.nft("delete", "table", "ip", f"tuidock-{lab.web['id'][:12]}")
    until(lambda: lab.web["id"][:12] in lab.nft("list", "tables"))
    assert "tuidock-forward" not in lab.nft("list", "tables")
    lab.nft("flush", "ruleset")
    until(lambda: "tuidock-forward" in lab.nft("list", "tables"))
    assert lab.nft("list", "table", "ip", "tuidock-forward") == guard


@pytest.mark.parametrize(
    ("policy", "rules"),
    [("drop", ("ip saddr 192.0.2.1 accept",)), ("accept", ("counter reject",)), ("accept", ("drop",))],
)
def test_a_chain_of_an_administrator_that_drops_lets_containers_pass(
    lab: Shared, tmp_path: Path, policy: str, rules: tuple[str, ...]
) -> None:
    load(lab, chain_of(policy, *rules), tmp_path)
    until(lambda: lab.marked(lab.nft("list", "table", "inet", "others")) == 4)
    assert lab.passes()


def test_a_chain_that_lets_all_pass_is_left_alone(lab: Shared, tmp_path: Path) -> None:
    load(lab, chain_of("accept", "ip saddr 192.0.2.1 drop"), tmp_path)
    lab.nft("flush", "table", "ip", f"tuidock-{lab.bridge}")
    lab.nft("delete", "table", "ip", f"tuidock-{lab.bridge}")
    until(lambda: f"tuidock-{lab.bridge}" in lab.nft("list", "tables"))
    assert lab.marked(lab.nft("list", "table", "inet", "others")) == 0


def test_a_forward_of_iptables_that_drops_lets_containers_pass(lab: Shared) -> None:
    lab.on_host("iptables-nft", "-P", "FORWARD", "DROP")
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S", "FORWARD")) == 4)
    assert lab.passes()


def test_marked_rules_come_back_after_a_flush_of_the_chain(lab: Shared) -> None:
    lab.on_host("iptables-nft", "-P", "FORWARD", "DROP")
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S", "FORWARD")) == 4)
    lab.on_host("iptables-nft", "-F", "FORWARD")
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S", "FORWARD")) == 4)
    assert lab.passes()


def like_docker(lab: Shared) -> None:
    """The chains of dockerd, with a rule of an administrator, in one transaction."""
    words = ("-P FORWARD DROP", "-N DOCKER-USER", "-A DOCKER-USER -i up9 -j DROP", "-A DOCKER-USER -j RETURN")
    for word in (*words, "-A FORWARD -j DOCKER-USER", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT"):
        lab.on_host("iptables-nft", *word.split())


def test_docker_gets_the_rules_into_docker_user_behind_an_administrators(lab: Shared) -> None:
    like_docker(lab)
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S", "DOCKER-USER")) == 6)
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S", "FORWARD")) == 0)
    rules = lab.on_host("iptables-nft", "-S", "DOCKER-USER").splitlines()
    assert rules[1] == "-A DOCKER-USER -i up9 -j DROP"
    assert rules[-1] == "-A DOCKER-USER -j RETURN"
    assert lab.passes()


def test_a_bridge_of_dockers_is_not_reached_by_containers_of_ours(lab: Shared) -> None:
    other = lab.beyond("198.18.6.1", "198.18.6.2")
    lab.ip(lab.host, "link", "set", "up1", "down")
    lab.ip(lab.host, "link", "set", "up1", "name", "docker0")
    lab.ip(lab.host, "link", "set", "docker0", "up")
    lab.serve(other, "tcp", ECHO, "198.18.6.2")
    like_docker(lab)
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S", "DOCKER-USER")) == 6)
    asked = (sys.executable, "-m", "tests.support.netlab_program", "ask", "tcp", "198.18.6.2", str(ECHO))
    answer = run("nsenter", f"--net=/proc/{lab.web['state']['pid']}/ns/net", *asked).strip()
    lab.ip(lab.host, "link", "del", "docker0")
    assert answer == ""
    assert lab.passes()


def test_a_legacy_forward_that_drops_is_seen_when_a_container_starts(lab: Shared) -> None:
    lab.on_host("iptables-legacy", "-P", "FORWARD", "DROP")
    lab.networks("engine", "restart")
    lab.web = lab.networks("engine", "start")
    assert lab.marked(lab.on_host("iptables-legacy", "-S", "FORWARD")) == 4
    assert lab.passes()


@pytest.mark.skipif(not os.path.exists("/proc/sys/net/bridge"), reason="the kernel has no bridge netfilter")
def test_containers_of_one_bridge_reach_each_other_with_bridge_netfilter(lab: Shared) -> None:
    owner = secrets.token_hex(32)
    other = lab.attach(owner)
    lab.serve(other["netns"], "tcp", ECHO)
    lab.on_host("sysctl", "-q", "-w", "net.bridge.bridge-nf-call-iptables=1")
    lab.on_host("iptables-nft", "-P", "FORWARD", "DROP")
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S", "FORWARD")) == 4)
    address = other["endpoints"][0]["address"]
    asked = (sys.executable, "-m", "tests.support.netlab_program", "ask", "tcp", address, str(ECHO))
    answer = run("nsenter", f"--net=/proc/{lab.web['state']['pid']}/ns/net", *asked).strip()
    counted = lab.on_host("iptables-nft", "-v", "-S", "FORWARD").splitlines()[1]
    lab.on_host("sysctl", "-q", "-w", "net.bridge.bridge-nf-call-iptables=0")
    lab.detach(other, owner)
    assert answer
    assert "-c 0 0 " not in counted  # it was decided there


def switches(lab: Shared) -> int:
    """How often the container's supervisor has gone to sleep."""
    with open(f"/proc/{lab.web['state']['pid']}/stat", encoding="ascii") as file:
        supervisor = file.read().rpartition(")")[2].split()[1]
    with open(f"/proc/{supervisor}/status", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("voluntary_ctxt_switches")]
    return int(line.split()[1])


def settled(count: Callable[[], int]) -> int:
    before = -1
    while (now := count()) != before:
        before = now
        time.sleep(0.5)
    return now


def test_transactions_of_ours_wake_no_supervisor(lab: Shared, tmp_path: Path) -> None:
    ours = tmp_path / "tuidock-nft"
    ours.symlink_to(shutil.which("nft") or "")
    before = settled(lambda: switches(lab))
    lab.on_host(str(ours), "add", "table", "ip", "tuidock-another")
    lab.on_host(str(ours), "delete", "table", "ip", "tuidock-another")
    assert settled(lambda: switches(lab)) == before
    lab.nft("add", "table", "ip", "others")  # the same by somebody else does
    assert settled(lambda: switches(lab)) > before


def test_all_goes_with_the_last_container(lab: Shared, tmp_path: Path) -> None:
    load(lab, chain_of("drop"), tmp_path)
    lab.on_host("iptables-nft", "-P", "FORWARD", "DROP")
    until(lambda: lab.marked(lab.nft("list", "table", "inet", "others")) == 4)
    until(lambda: lab.marked(lab.on_host("iptables-nft", "-S")) == 4)
    lab.networks("engine", "remove")
    until(lambda: lab.bridge not in lab.nft("list", "ruleset") + lab.on_host("iptables-nft", "-S"))
    left = lab.nft("list", "tables")
    lab.web = lab.networks("engine", "run")
    assert "tuidock-forward" in left
    assert lab.passes()
