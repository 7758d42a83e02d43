"""Owns what is true of a root's networks, found without the program: by ip, nft, sqlite3, /proc and files.

``untruths`` compares what the kernel and the database have with what really runs. It knows nothing of the code
that is under test but where things are and how they are called.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sqlite3
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.paths import Paths

    Run = Callable[..., str]
    """Runs a command on the host that is looked at; what it prints."""


class Running:
    """A container whose supervisor holds its lock, and whose init lives."""

    def __init__(self, container_id: str, name: str, ports: list[dict[str, Any]], pid: int) -> None:
        self.id, self.name, self.pid = container_id, name, pid
        self.ports = {(port["host_port"], port.get("protocol", "tcp")) for port in ports if port["host_port"]}
        self.links: dict[int, str] = {}
        """Index of the end on the host → name inside."""
        self.addresses: set[str] = set()
        shown = subprocess.run(
            ["nsenter", "-t", str(pid), "-n", "ip", "-j", "address"],
            check=True,
            capture_output=True,
            text=True,
        )
        for link in json.loads(shown.stdout):
            if link["ifname"] == "lo":
                continue
            self.links[link["link_index"]] = link["ifname"]
            for address in link["addr_info"]:
                if address["scope"] == "global":
                    self.addresses.add(str(ipaddress.ip_address(address["local"])))


def untruths(paths: Paths, run: Run, *others: Paths) -> list[str]:
    """One line for each thing that is not as what runs makes it; empty is the truth.

    ``others`` are the further roots of the host.
    """
    roots = {root: read_running(root) for root in (paths, *others)}
    everybody = {key: one for running in roots.values() for key, one in running.items()}
    addresses = [address for one in everybody.values() for address in one.addresses]
    return [
        *_links(tuple(roots), run, everybody),
        *_tables(run, everybody),
        *(line for root, running in roots.items() for line in _leases(root, running)),
        *(line for root, running in roots.items() for line in _names(root, running)),
        *(line for root, running in roots.items() for line in _folders(root, running)),
        *(f"two have the address {one}" for one in set(addresses) if addresses.count(one) > 1),
    ]


def read_running(paths: Paths) -> dict[str, Running]:
    """By id."""
    found = {}
    for container_id, name, ports in rows(paths, "SELECT id, name, ports FROM container"):
        if _is_locked(f"{paths.run}/c/{container_id[:12]}/lock"):
            with open(f"{paths.root}/containers/{container_id}/state.json", encoding="utf-8") as file:
                state = json.load(file)
            if state["status"] in {"running", "paused"}:
                found[container_id] = Running(container_id, name, json.loads(ports), state["pid"])
    return found


def rows(paths: Paths, query: str) -> list[tuple[Any, ...]]:
    """What the database answers."""
    database = sqlite3.connect(f"file:{paths.database}?mode=ro", uri=True, timeout=20)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def _links(roots: tuple[Paths, ...], run: Run, running: dict[str, Running]) -> Iterator[str]:
    there = {
        link["ifindex"]: link
        for link in json.loads(run("ip", "-j", "-d", "link", "show", "type", "veth") or "[]")
    }
    ends = {index: one for one in running.values() for index in one.links}
    for index, link in there.items():
        if index not in ends:
            yield f"{link['ifname']} leads to no container that runs"
        elif not link.get("master", "").startswith("br-"):
            yield f"{link['ifname']} of {ends[index].name} is not plugged in"
        elif "UP" not in link["flags"]:
            yield f"{link['ifname']} of {ends[index].name} is down"
    for index, one in ends.items():
        if index not in there:
            yield f"{one.links[index]} of {one.name} has no other end"
    found = [rows(paths, "SELECT record FROM network") for paths in roots]
    records = [json.loads(record) for one in found for (record,) in one]
    bridges = {record["bridge"] for record in records if record.get("bridge")}
    for link in json.loads(run("ip", "-j", "link", "show", "type", "bridge") or "[]"):
        if link["ifname"] not in bridges:
            yield f"bridge {link['ifname']} is of no network"


def _tables(run: Run, running: dict[str, Running]) -> Iterator[str]:
    document = json.loads(run("nft", "-j", "list", "ruleset"))["nftables"]
    tables = {part["table"]["name"] for part in document if "table" in part}
    plugged = json.loads(run("ip", "-j", "link", "show", "type", "veth") or "[]")
    bridges = {link["master"] for link in plugged if "master" in link}
    publishing = {f"tuidock-{one.id[:12]}": one for one in running.values() if one.ports and one.addresses}
    for table in sorted(tables):
        name = table.removeprefix("tuidock-")
        if table.startswith("tuidock-br-") and name not in bridges:
            yield f"table {table} is of a bridge without containers"
        elif table.startswith("tuidock-") and len(name) == len("0123456789ab") and table not in publishing:
            yield f"table {table} is of no container that runs and publishes"
    for bridge in bridges:
        if f"tuidock-{bridge}" not in tables:
            yield f"bridge {bridge} has no table"
    ways = _ways(document)
    for table, one in publishing.items():
        led = {port for port, address in ways.get(table, set()) if address in one.addresses}
        if lost := {number for number, _ in one.ports} - led:
            yield f"ports {sorted(lost)} of {one.name} lead nowhere: {ways.get(table)}"
        if astray := {way for way in ways.get(table, set()) if way[1] not in one.addresses}:
            yield f"table {table} of {one.name} leads to {astray}, and it has {one.addresses}"


def _ways(document: list[dict[str, Any]]) -> dict[str, set[tuple[int, str]]]:
    """(port of the host, address) of each rule that changes a destination, by table."""
    found: dict[str, set[tuple[int, str]]] = {}
    for part in document:
        expressions = part.get("rule", {}).get("expr", [])
        target = next((one["dnat"] for one in expressions if "dnat" in one), None)
        if target is None:
            continue
        ports = [
            one["match"]["right"]
            for one in expressions
            if "match" in one and one["match"]["left"].get("payload", {}).get("field") == "dport"
        ]
        for port in ports:
            found.setdefault(part["rule"]["table"], set()).add((port, target["addr"]))
    return found


def _leases(paths: Paths, running: dict[str, Running]) -> Iterator[str]:
    leased = set(rows(paths, "SELECT owner, address FROM lease"))
    used = {(one.id, address) for one in running.values() for address in one.addresses}
    for owner, address in leased - used:
        yield f"{address} is leased to {owner[:12]}, which has it not"
    for owner, address in used - leased:
        yield f"{running[owner].name} has {address} without a lease"


def _names(paths: Paths, running: dict[str, Running]) -> Iterator[str]:
    for network in _listed(f"{paths.run}/names"):
        for name in _listed(f"{paths.run}/names/{network}"):
            if name not in running:
                yield f"names of {network[:12]} have {name[:12]}, which does not run"
    known = {network for (network,) in rows(paths, "SELECT id FROM network WHERE name <> 'bridge'")}
    for container_id, network in rows(paths, "SELECT owner, network_id FROM lease"):
        file = f"{paths.run}/names/{network}/{container_id}"
        if container_id in running and network in known and not os.path.exists(file):
            yield f"{running[container_id].name} is not found in {network[:12]}"


def _folders(paths: Paths, running: dict[str, Running]) -> Iterator[str]:
    kept = {container_id[:12] for container_id in running}
    for name in _listed(f"{paths.run}/c"):
        if name not in kept:
            yield f"run folder {name} is of nobody that runs"


def _is_locked(path: str) -> bool:
    """By /proc/locks (proc_locks(5)): a record lock of somebody's on that very inode."""
    try:
        inode = os.stat(path).st_ino
    except FileNotFoundError:
        return False
    with open("/proc/locks", encoding="ascii") as file:
        return any(
            " POSIX " in line and "->" not in line and line.split()[5].endswith(f":{inode}") for line in file
        )


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
