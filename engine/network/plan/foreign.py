"""Owns the plan of what a bridge needs in chains that are not ours, where these drop what is forwarded; pure.

An accept of ours ends our own chain only: a drop in another one, Docker's or an administrator's, still is
the end of the packet. The other way round an accept of these rules cannot make anything pass that the
bridge's own tables drop. They say nothing about Docker's bridges: what is allowed there stays Docker's.
"""

from __future__ import annotations

from engine.network.plan.operations import (
    Accept,
    AddRule,
    Established,
    InterfaceMatch,
    Match,
    Published,
    Value,
)

MARK = "tuidock:"
"""Begins the comment of each rule; the bridge's name follows."""
_DOCKERS = ("docker", "br-")
"""How the names of Docker's bridges begin, unless somebody has chosen others."""


class ForeignPlan(Value, frozen=True):
    """Rules for Docker's DOCKER-USER and for another FORWARD in iptables' words, for nftables as rules.

    ``rules`` are for whichever chain is found: its table and name are not theirs yet.
    """

    mark: str
    docker: tuple[tuple[str, ...], ...]
    forward: tuple[tuple[str, ...], ...]
    rules: tuple[AddRule, ...]
    families: tuple[str, ...]


def foreign_mark(bridge: str) -> str:
    """The comment of each rule for ``bridge`` in a chain that is not ours."""
    return MARK + bridge


def foreign_plan(
    bridge: str, families: tuple[str, ...], *, internal: bool = False, uplinks: tuple[str, ...] = ()
) -> ForeignPlan:
    """What lets the packets of ``bridge`` pass; of an ``internal`` one only those among its containers.

    ``uplinks`` are the interfaces with a default route: one may be called like a bridge of Docker's.
    """
    among = (InterfaceMatch("iif", bridge), InterfaceMatch("oif", bridge))
    entering, leaving = among
    matches: list[tuple[Match, ...]] = [among]
    before: list[tuple[str, ...]] = [("-i", bridge, "-o", bridge, "-j", "ACCEPT")]
    after: list[tuple[str, ...]] = []
    apart: list[tuple[str, ...]] = []
    if not internal:
        matches += [(leaving, Established()), (leaving, Published()), (entering,)]
        conntrack = ("-o", bridge, "-m", "conntrack")
        before += [
            (*conntrack, "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"),
            (*conntrack, "--ctstate", "DNAT", "-j", "ACCEPT"),
        ]
        apart = [
            *(("-i", bridge, "-o", name, "-j", "ACCEPT") for name in uplinks if name.startswith(_DOCKERS)),
            *(("-i", bridge, "-o", f"{prefix}+", "-j", "RETURN") for prefix in _DOCKERS),
        ]
        after = [("-i", bridge, "-j", "ACCEPT")]
    return ForeignPlan(
        mark=foreign_mark(bridge),
        docker=(*before, *apart, *after),
        forward=(*before, *after),
        rules=tuple(AddRule("", "", one, Accept()) for one in matches),
        families=families,
    )
