"""Owns what is put into chains that are not ours, where these drop what is forwarded, and takes it out again.

Where depends on whose chain it is: Docker's have DOCKER-USER for this, another FORWARD of iptables gets the
rules at its top, so does a chain of an nftables ruleset; firewalld is told a zone. Imported where somebody
else has a chain on the way only. What is wanted is the bundle's ``foreign``; refuses to know networks.
"""

from __future__ import annotations

import binascii

from engine.shim import nftables
from engine.shim.programs import path_of, run

OURS = b"tuidock-"
"""Begins the names of our tables."""
_FIREWALLD = "firewalld"
_FORWARD, _DOCKER_USER = "FORWARD", "DOCKER-USER"
_WAIT = ("-w", "5")
_PASSIVE = {"counter", "log", "immediate", "reject", "target", "notrack"}
"""The expressions of a rule that every packet meets."""
_LEGACY = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}
_NUL = b"\0"


class Obstacle:
    """A chain where what is forwarded may end; ``kind``: iptables (by ``tool``), nft or firewalld."""

    __slots__ = ("chain", "kind", "tool")

    def __init__(self, kind: str, chain: nftables.Chain, tool: str = "") -> None:
        self.kind, self.chain, self.tool = kind, chain, tool

    def count(self, mark: str, bridge: str) -> int:
        """How many rules for ``bridge`` it has (of firewalld: 1 if it knows the bridge)."""
        chain = self.chain
        if self.kind == "firewalld":
            name = bridge.encode() + _NUL
            return int(any(name in rule for rule in nftables.rules(chain.family, chain.table)))
        if self.tool.endswith("-legacy"):
            return len(_marked_lines(_listed(self), mark))
        # What stands in FORWARD from before there was a DOCKER-USER would let pass what Docker keeps apart.
        stray = nftables.Chain(chain.family, chain.table, _FORWARD, drops=False)
        before = len(marked_rules(stray, mark)) if chain.name == _DOCKER_USER else 0
        return len(marked_rules(chain, mark)) + before


def obstacles() -> list[Obstacle]:
    """Every chain on hook forward that is not ours and may drop what comes, of every backend."""
    found = []
    for chain in nftables.forward_chains(OURS):
        if chain.table == _FIREWALLD:
            found.append(Obstacle("firewalld", chain))
            continue
        rules = nftables.rules(chain.family, chain.table, chain.name)
        if not (chain.drops or any(map(_drops_all, rules))):
            continue
        tool = _tool(chain.family, "-nft") if (chain.table, chain.name) == ("filter", _FORWARD) else ""
        if tool:
            if any(_DOCKER_USER.encode() + _NUL in rule for rule in rules):
                chain.name = _DOCKER_USER
            found.append(Obstacle("iptables", chain, tool))
        else:
            found.append(Obstacle("nft", chain))
    return found + _legacy_obstacles()


def missing(wanted: dict, bridge: str, found: list[Obstacle]) -> list[Obstacle]:  # type: ignore[type-arg]
    """Those of ``found`` that have not what is ``wanted`` (a bundle's ``foreign``)."""
    mark = wanted["mark"]
    return [
        one
        for one in found
        if one.chain.family in (*wanted["families"], "inet")
        and one.count(mark, bridge) != _expected(one, wanted)
    ]


def clear_way(wanted: dict, bridge: str) -> None:  # type: ignore[type-arg]
    """Put what is missing; raises OSError if that is refused. The caller keeps others from doing it too."""
    zones_told = False
    for one in missing(wanted, bridge, obstacles()):
        if one.kind == "firewalld":
            zones_told = zones_told or _tell_zone(bridge)
            if zones_told:
                continue
        if one.kind == "iptables":
            _put_by_program(one, wanted)
        else:
            stale = nftables.delete_rules(marked_rules(one.chain, wanted["mark"]))
            rules = [binascii.a2b_base64(rule) for rule in wanted["expressions"]]
            nftables.commit(stale + nftables.insert_rules(one.chain, rules, wanted["mark"]))


def withdraw(mark: str, bridge: str) -> None:
    """Take out whatever is for ``bridge``, in any chain; what is gone already is fine."""
    for chain in nftables.forward_chains(OURS):
        if chain.table == _FIREWALLD and Obstacle("firewalld", chain).count(mark, bridge):
            run(["firewall-cmd", f"--remove-interface={bridge}", *_zone_of(bridge)])
    stale = [rule for chain in marked_chains() for rule in marked_rules(chain, mark)]
    if stale:
        nftables.commit(nftables.delete_rules(stale))
    for one in _legacy_obstacles(every=True):
        gone = _marked_lines(_listed(one), mark)
        if gone:
            _restore(one, [f"-D {line[3:]}" for line in gone])


def marked_chains() -> list[nftables.Chain]:
    """The chains of nftables that may have marked rules."""
    found = nftables.forward_chains(OURS)
    users = [
        nftables.Chain(chain.family, chain.table, _DOCKER_USER, drops=False)
        for chain in found
        if (chain.table, chain.name) == ("filter", _FORWARD)
    ]
    return found + users


def marked_rules(chain: nftables.Chain, mark: str) -> list[bytes]:
    """The rules of ``chain`` whose comment is ``mark``."""
    comment = mark.encode() + _NUL
    return [rule for rule in nftables.rules(chain.family, chain.table, chain.name) if comment in rule]


def marks(prefix: bytes = b"tuidock:") -> set[str]:
    """Every mark that there is in any chain that is not ours, of whichever bridge."""
    found = set()
    for chain in marked_chains():
        for rule in nftables.rules(chain.family, chain.table, chain.name):
            start = rule.find(prefix)
            if start >= 0:
                found.add(rule[start : rule.index(_NUL, start)].decode(errors="replace"))
    for one in _legacy_obstacles(every=True):
        words = _listed(one).replace('"', "").split()
        found.update(word for word in words if word.startswith(prefix.decode()))
    return found


def _expected(one: Obstacle, wanted: dict) -> int:  # type: ignore[type-arg]
    if one.kind == "firewalld":
        return 1
    if one.kind == "nft":
        return len(wanted["expressions"])
    return len(_rules_of(one, wanted))


def _rules_of(one: Obstacle, wanted: dict) -> list[list[str]]:  # type: ignore[type-arg]
    rules: list[list[str]] = wanted["docker" if one.chain.name == _DOCKER_USER else "forward"]
    return rules


def _drops_all(rule: bytes) -> bool:
    """Whether a rule has no condition, and drops or rejects."""
    listed = nftables.expressions(rule)
    if any(name not in _PASSIVE for name, _ in listed):
        return False
    name, content = listed[-1] if listed else ("", b"")
    if name == "immediate":
        verdict = nftables.attributes(nftables.attributes(content).get(2, b"")).get(2, b"")
        return nftables.attributes(verdict).get(1) == bytes(4)
    return name == "reject" or (name == "target" and b"REJECT\0" in content)


# -- iptables ---------------------------------------------------------------------------------------
def _put_by_program(one: Obstacle, wanted: dict) -> None:  # type: ignore[type-arg]
    lines = _listed(one).splitlines()
    stale = _marked_lines("\n".join(lines), wanted["mark"])
    kept = [line for line in lines if line.startswith(f"-A {one.chain.name} ") and line not in stale]
    # What an administrator has put into DOCKER-USER is met before; the chain may end with a RETURN for all.
    ends = bool(kept) and kept[-1] == f"-A {_DOCKER_USER} -j RETURN"
    first = len(kept) + (0 if ends else 1) if one.chain.name == _DOCKER_USER else 1
    commands = [f"-D {line[3:]}" for line in stale]
    for place, rule in enumerate(_rules_of(one, wanted), first):
        *conditions, jump, verdict = rule
        words = [*conditions, "-m", "comment", "--comment", wanted["mark"], jump, verdict]
        commands.append(f"-I {one.chain.name} {place} {' '.join(words)}")
    _restore(one, commands)


def _restore(one: Obstacle, commands: list[str]) -> None:
    """Carry out commands on the filter table, all or none."""
    text = "\n".join(("*filter", *commands, "COMMIT", ""))
    tool = f"{one.tool}-restore"  # iptables-restore, iptables-nft-restore, ip6tables-legacy-restore
    code, output = run([tool, *_WAIT, "--noflush"], text.encode())
    if code:
        raise OSError(code, output.decode(errors="replace").strip() or f"{tool} failed")


def _listed(one: Obstacle) -> str:
    """All rules of the filter table, as -A lines."""
    code, output = run([one.tool, *_WAIT, "-S"])
    return "" if code else output.decode(errors="replace")


def _marked_lines(text: str, mark: str) -> list[str]:
    return [line for line in text.splitlines() if mark in line.replace('"', "").split()]


def _tool(family: str, backend: str) -> str:
    """The program for the chains of ``backend`` (-nft or -legacy); "" if there is none."""
    name = "iptables" if family == "ip" else "ip6tables" if family == "ip6" else ""
    for candidate in (name + backend, name) if name else ():
        if path_of(candidate):
            return candidate
    return ""


def _legacy_obstacles(*, every: bool = False) -> list[Obstacle]:
    """Of the iptables that nf_tables does not tell; ``every``: also those that let everything pass."""
    found = []
    for family, names in _LEGACY.items():
        try:
            with open(names, encoding="ascii") as file:
                if "filter" not in file.read().split():
                    continue
        except OSError:
            continue
        tool = _tool(family, "-legacy")
        if not tool:
            continue
        lines = run([tool, *_WAIT, "-S"])[1].decode(errors="replace").splitlines()
        drops = any(line in lines for line in ("-P FORWARD DROP", "-A FORWARD -j DROP"))
        drops = drops or any(line.startswith("-A FORWARD -j REJECT") for line in lines)
        if drops or every:
            name = _DOCKER_USER if f"-A FORWARD -j {_DOCKER_USER}" in lines else _FORWARD
            found.append(Obstacle("iptables", nftables.Chain(family, "filter", name, drops=drops), tool))
    return found


# -- firewalld --------------------------------------------------------------------------------------
def _tell_zone(bridge: str) -> bool:
    """Put ``bridge`` into a zone that accepts, until firewalld is reloaded; False if it cannot be told."""
    code, output = run(["firewall-cmd", "--get-zones"])
    if code:
        return False
    zone = "docker" if "docker" in output.decode().split() else "trusted"
    return run(["firewall-cmd", f"--zone={zone}", f"--change-interface={bridge}"])[0] == 0


def _zone_of(bridge: str) -> list[str]:
    code, output = run(["firewall-cmd", f"--get-zone-of-interface={bridge}"])
    return [] if code else [f"--zone={output.decode().strip()}"]
