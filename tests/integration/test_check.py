"""``system check`` on a host of its own: what can be wrong is made so, all at once, and told, and mended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from engine.paths import Paths
from engine.shim.lock import lock_holder
from tests.support.island import Island, new_host
from tests.support.netlab import delete
from tests.support.network_truth import untruths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    """A root with a network ``net``, ``box`` and ``victim`` on it; others on the default one; one idle."""
    folder = str(tmp_path_factory.mktemp("check"))
    made = new_host(folder)
    island = Island(made, Paths(root=f"{folder}/root", run=f"/run/td-check-{os.getpid()}"))
    island.ok("image", "bootstrap", "busybox")
    island.ok("network", "create", "net")
    island.ok(
        "run", "-d", "--name", "box", "--network", "net", "-p", "18520:80", "-p", "18521:81/udp", *SLEEP
    )
    for name in ("other", "third"):
        island.ok("run", "-d", "--name", name, "-p", "80", *SLEEP)
    island.ok("run", "-d", "--name", "victim", "--network", "net", "-p", "18523:80", *SLEEP)
    island.ok("network", "create", "empty")
    island.ok("create", "--name", "idle", *SLEEP)
    yield island
    for identifier in island("ps", "-aq").stdout.split():
        island("rm", "-f", identifier)
    delete(made.netns)
    made.close()
    subprocess.run(["rm", "-r", island.paths.run], check=False)


Finding = tuple[str, str]
"""Kind and name."""


def found(island: Island, *options: str) -> list[dict[str, str]]:
    told = island("system", "check", "--format", "json", *options)
    assert told.stderr == "", told.stderr
    findings = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.returncode == int(any(one["Repaired"] == "false" for one in findings))
    return findings


def brief(findings: list[dict[str, str]]) -> set[Finding]:
    return {(one["Kind"], one["What"]) for one in findings}


def identifier(island: Island, name: str) -> str:
    return str(json.loads(island.ok("inspect", name))[0]["Id"])


def network(island: Island, name: str) -> str:
    return str(json.loads(island.ok("network", "inspect", name))[0]["Id"])


def bridge(island: Island, name: str) -> str:
    return f"br-{network(island, name)[:12]}"


def change(island: Island, statement: str, *values: object) -> list[tuple[str, ...]]:
    database = sqlite3.connect(island.paths.database, isolation_level=None, timeout=20)
    try:
        return database.execute(statement, values).fetchall()
    finally:
        database.close()


# -- what somebody, or kill -9, can do: each says what must be told of it ----------------------------
def a_bridge_is_deleted(island: Island) -> set[Finding]:
    gone = bridge(island, "net")
    island.run("ip", "link", "del", gone)
    end = f"veth{identifier(island, 'box')[:11]}"
    return {("interface", gone), ("interface", end)}


def an_end_is_deleted(island: Island) -> set[Finding]:
    end = f"veth{identifier(island, 'other')[:11]}"
    island.run("ip", "link", "del", end)
    return {("interface", end)}


def an_end_is_unplugged(island: Island) -> set[Finding]:
    end = f"veth{identifier(island, 'third')[:11]}"
    island.run("ip", "link", "set", end, "nomaster")
    return {("interface", end)}


def a_rule_is_added(island: Island) -> set[Finding]:
    table = f"tuidock-{bridge(island, 'bridge')}"
    island.run("nft", "insert", "rule", "ip", table, "forward", "drop")
    return {("table", f"ip {table}")}


def a_rule_is_deleted(island: Island) -> set[Finding]:
    table = f"tuidock-{identifier(island, 'box')[:12]}"
    listed = json.loads(island.run("nft", "-j", "list", "table", "ip", table))["nftables"]
    rule = next(part["rule"] for part in listed if "rule" in part)
    island.run("nft", "delete", "rule", "ip", table, rule["chain"], "handle", str(rule["handle"]))
    return {("table", f"ip {table}")}


def a_bridge_loses_its_address(island: Island) -> set[Finding]:
    name = bridge(island, "bridge")
    (link,) = json.loads(island.run("ip", "-j", "-4", "address", "show", name))
    address = f"{link['addr_info'][0]['local']}/{link['addr_info'][0]['prefixlen']}"
    island.run("ip", "address", "del", address, "dev", name)
    return {("address", address)}


def forwarding_is_turned_off(island: Island) -> set[Finding]:
    island.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    return {("sysctl", "net.ipv4.ip_forward")}


def a_lease_is_lost(island: Island) -> set[Finding]:
    lost = "DELETE FROM lease WHERE owner = ? RETURNING address"
    return {("address", address) for (address,) in change(island, lost, identifier(island, "box"))}


def a_lease_is_of_one_that_does_not_run(island: Island) -> set[Finding]:
    lease = "INSERT INTO lease VALUES (?, ?, ?, 0)"
    change(island, lease, network(island, "net"), "172.31.7.7", identifier(island, "idle"))
    return {("address", "172.31.7.7")}


def a_lease_is_in_a_network_that_its_owner_is_not_in(island: Island) -> set[Finding]:
    lease = "INSERT INTO lease VALUES (?, ?, ?, 0)"
    change(island, lease, network(island, "net"), "172.31.7.8", identifier(island, "other"))
    return {("address", "172.31.7.8")}


def an_end_and_a_table_outlive_their_container(island: Island) -> set[Finding]:
    box = identifier(island, "idle")
    end, table = f"veth{box[:11]}", f"tuidock-{box[:12]}"
    island.run("ip", "link", "add", end, "type", "veth", "peer", "name", "stray")
    island.run("nft", "add", "table", "ip6", table)
    return {("interface", end), ("table", f"ip6 {table}")}


def a_bridge_and_a_table_outlive_their_network(island: Island) -> set[Finding]:
    name = f"br-{island.ok('network', 'create', 'gone').strip()[:12]}"
    island.ok("network", "rm", "gone")
    island.run("ip", "link", "add", name, "type", "bridge")
    island.run("nft", "add", "table", "ip", f"tuidock-{name}")
    return {("interface", name), ("table", f"ip tuidock-{name}")}


def a_rule_for_a_bridge_without_containers_is_left(island: Island) -> set[Finding]:
    name = bridge(island, "empty")
    island.run("nft", "add", "table", "ip", "others")
    island.run("nft", "add", "chain", "ip", "others", "forward", "{ type filter hook forward priority 0; }")
    rule = ("oifname", name, "accept", "comment", f'"tuidock:{name}"')
    island.run("nft", "add", "rule", "ip", "others", "forward", *rule)
    return {("rule", name)}


def a_name_outlives_its_container(island: Island) -> set[Finding]:
    path = f"{island.paths.run}/names/{network(island, 'net')}/{'0' * 64}"
    with open(path, "w") as file:
        json.dump({"name": "ghost", "aliases": [], "addresses": ["10.9.8.7"], "lock": f"{path}.lock"}, file)
    return {("name", path)}


def a_name_is_lost(island: Island) -> set[Finding]:
    path = f"{island.paths.run}/names/{network(island, 'net')}/{identifier(island, 'box')}"
    os.unlink(path)
    return {("name", path)}


def a_supervisor_is_killed(island: Island) -> set[Finding]:
    os.kill(lock_holder(island.paths.container_lock(identifier(island, "victim"))), signal.SIGKILL)
    return {("container", "victim")}


def a_run_folder_is_left(island: Island) -> set[Finding]:
    folder = f"{island.paths.run}/c/0123456789ab"
    os.mkdir(folder)
    return {("run folder", folder)}


def staging_and_store_keep_what_is_half_made(island: Island) -> set[Finding]:
    staging, blob = f"{island.paths.staging}/0123456789abcdef", f"{island.paths.blobs}/{'0' * 64}"
    os.mkdir(staging)
    with open(blob, "w") as file:
        file.write("half")
    return {("staging", staging), ("store", blob)}


def a_record_is_not_written(island: Island) -> set[Finding]:
    unwritten = "UPDATE container SET endpoints = x'5b5d' WHERE id = ?"
    change(island, unwritten, identifier(island, "third"))
    return {("container", "third")}


DAMAGES: tuple[Callable[[Island], set[Finding]], ...] = (
    a_bridge_is_deleted,
    an_end_is_deleted,
    an_end_is_unplugged,
    a_rule_is_added,
    a_rule_is_deleted,
    a_bridge_loses_its_address,
    a_lease_is_lost,
    a_lease_is_of_one_that_does_not_run,
    a_lease_is_in_a_network_that_its_owner_is_not_in,
    an_end_and_a_table_outlive_their_container,
    a_bridge_and_a_table_outlive_their_network,
    a_rule_for_a_bridge_without_containers_is_left,
    a_name_outlives_its_container,
    a_name_is_lost,
    a_supervisor_is_killed,
    a_run_folder_is_left,
    staging_and_store_keep_what_is_half_made,
    a_record_is_not_written,
    forwarding_is_turned_off,
)


class Story:
    """All ``DAMAGES`` on one host, and what is told: before, of them, again, by the repair, after it."""

    def __init__(self, island: Island) -> None:
        self.before = found(island)
        self.done = {damage.__name__: damage(island) for damage in DAMAGES}
        self.told, self.again = found(island), found(island)
        self.repaired, self.after = found(island, "--repair"), found(island)
        self.untrue = untruths(island.paths, island.run)


@pytest.fixture(scope="module")
def story(host: Island) -> Story:
    return Story(host)


def test_a_host_as_it_should_be_has_nothing_to_tell(story: Story) -> None:
    assert story.before == []


@pytest.mark.parametrize("damage", [damage.__name__ for damage in DAMAGES])
def test_a_damage_is_told(story: Story, damage: str) -> None:
    assert story.done[damage] <= brief(story.told), story.told


def test_nothing_else_is_told(story: Story) -> None:
    consequences = ("lost it", "is gone", "not plugged in")
    rest = [one for one in story.told if (one["Kind"], one["What"]) not in set().union(*story.done.values())]
    assert [one for one in rest if not any(word in one["Why"] for word in consequences)] == []


def test_a_look_changes_nothing(story: Story) -> None:
    assert story.again == story.told


def test_a_repair_leaves_nothing(story: Story) -> None:
    assert [one for one in story.repaired if one["Repaired"] == "false"] == []
    assert story.after == []


def test_afterwards_the_kernel_has_what_runs(story: Story) -> None:
    assert story.untrue == []


@pytest.mark.usefixtures("story")
def test_containers_reach_each_other_after_the_repair(host: Island) -> None:
    (box,) = json.loads(host.ok("inspect", "box"))
    serve = (sys.executable, "-m", "http.server", "-d", os.path.dirname(__file__), "80")
    server = subprocess.Popen(
        ["nsenter", "-t", str(box["State"]["Pid"]), "-n", *serve], stderr=subprocess.DEVNULL
    )
    address = box["NetworkSettings"]["Networks"]["net"]["IPAddress"]
    ask = f"echo GET /test_check.py | nc -w 2 {address} 80"
    asked = f"for try in 1 2 3 4 5 6 7 8 9; do {ask} && break; sleep 0.3; done"
    try:
        assert "story" in host.ok("run", "--rm", "--network", "net", "busybox", "sh", "-c", asked)
    finally:
        server.kill()
        server.communicate()


@pytest.mark.usefixtures("story")
def test_what_is_somebody_else_s_is_left_alone(host: Island) -> None:
    host.run("ip", "link", "add", "br-0123456789ab", "type", "bridge")
    host.run("ip", "link", "add", "veth0123456789a", "type", "veth", "peer", "name", "veth0")
    host.run("ip", "link", "set", "veth0123456789a", "master", "br-0123456789ab")
    host.run("nft", "add", "table", "ip", "tuidock-0123456789ab")
    host.run("nft", "add", "table", "ip", "tuidock-br-0123456789ab")
    other = Island(host.host, Paths(root=f"{host.paths.root}2", run=f"{host.paths.run}2"))
    other.ok("image", "bootstrap", "busybox")
    other.ok("run", "-d", "--name", "box", "-p", "18528:80", *SLEEP)
    assert found(host, "--repair") == []
    assert found(other, "--repair") == []
    other.ok("rm", "-f", "box")
    host.run("nft", "list", "table", "ip", "tuidock-br-0123456789ab")
    host.run("nft", "delete", "table", "ip", "tuidock-br-0123456789ab")
    host.run("nft", "delete", "table", "ip", "tuidock-0123456789ab")
    host.run("ip", "link", "del", "br-0123456789ab")
    host.run("ip", "link", "del", "veth0123456789a")
    shutil.rmtree(other.paths.run)


@pytest.mark.usefixtures("story")
def test_a_container_that_ended_by_itself_is_no_finding(host: Island) -> None:
    host.ok("run", "--network", "net", "busybox", "true")
    assert found(host) == []


@pytest.mark.usefixtures("story")
def test_who_may_not_look_is_told_so(host: Island) -> None:
    powerless = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    at = host.argv().index(sys.executable)
    before, program = host.argv()[:at], host.argv()[at:]
    told = subprocess.run(
        [*before, *powerless, *program, "system", "check"], check=False, capture_output=True, text=True
    )
    assert told.returncode == 1
    assert "run tuidock as root" in told.stderr


def test_nothing_wrong_is_said_in_words(host: Island, story: Story) -> None:
    assert story.after == []
    assert host.ok("system", "check") == "Nothing is left over, missing or damaged.\n"
