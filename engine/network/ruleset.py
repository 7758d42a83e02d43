"""Owns comparing nftables as they were asked for with nftables as the kernel tells them; pure.

What was asked for is read from the messages themselves, as a plan's items and a bundle hold them: so the two
cannot differ in what they mean. Refuses to ask the kernel.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Self

import msgspec

from engine.network.attributes import attributes, says, text_of, value_of
from engine.network.template import IPTABLES, NETLINK_NETFILTER
from engine.shim import iptables
from engine.shim.netlink_send import messages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.network.attributes import Attributes
    from engine.network.template import Item

_FAMILIES = {2: "ip", 10: "ip6"}
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE = 0xA00, 0xA02, 0xA03, 0xA06
_NFGEN_SIZE = 4
_TABLE, _NAME = 1, 3
"""Of a chain; a table's name is its first attribute."""
_CHAIN, _EXPRESSIONS = 2, 4
_CHAIN_HOOK = 4
_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2


class Chain(msgspec.Struct, frozen=True):
    """A chain; ``hook`` are the attributes of its place in the kernel."""

    name: str
    hook: bytes = b""

    @classmethod
    def told(cls, content: Attributes) -> Self:
        """Of a chain's message."""
        return cls(text_of(_NAME, content), value_of(_CHAIN_HOOK, content))


class Rule(msgspec.Struct, frozen=True):
    """A rule of ``chain``: (name, attributes) of each expression."""

    chain: str
    expressions: tuple[tuple[str, bytes], ...]

    @classmethod
    def told(cls, content: Attributes) -> Self:
        """Of a rule's message."""
        elements = [attributes(value) for _, value in attributes(value_of(_EXPRESSIONS, content))]
        expressions = ((text_of(_EXPRESSION_NAME, one), value_of(_EXPRESSION_DATA, one)) for one in elements)
        return cls(text_of(_CHAIN, content), tuple(expressions))


class Table(msgspec.Struct, frozen=True):
    """A table of ``family``, ip or ip6, with its chains, and its rules in their order."""

    family: str
    name: str
    chains: tuple[Chain, ...] = ()
    rules: tuple[Rule, ...] = ()


def asked_tables(items: Iterable[Item]) -> dict[tuple[str, str], Table]:
    """The tables, by (family, name), that ``items`` make when they are sent in order."""
    found: dict[tuple[str, str], Table] = {}
    for item in items:
        if item.family == IPTABLES:
            found.update(_by_iptables(base64.b64decode(item.message).decode()))
        if item.family != NETLINK_NETFILTER:
            continue
        for kind, _, content in messages(base64.b64decode(item.message)):
            if kind not in {_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE}:
                continue
            told = attributes(content[_NFGEN_SIZE:])
            key = (_FAMILIES.get(content[0], ""), text_of(_TABLE, told))
            table = found.get(key, Table(*key))
            if kind == _DELTABLE:
                found.pop(key, None)
            elif kind == _NEWCHAIN:
                table = msgspec.structs.replace(table, chains=(*table.chains, Chain.told(told)))
            elif kind == _NEWRULE:
                table = msgspec.structs.replace(table, rules=(*table.rules, Rule.told(told)))
            if kind != _DELTABLE:
                found[key] = table
    return found


def listed_tables(family: str, text: str) -> dict[tuple[str, str], Table]:
    """As ``asked_tables``, of what iptables-save says, or of what is given to iptables-restore.

    Its rules are counted: iptables tells them in words of its own, which are not the same in all releases.
    """
    return {
        (family, name): Table(
            family,
            name,
            tuple(map(Chain, chains)),
            tuple(Rule(chain, ()) for chain, number in chains.items() for _ in range(number)),
        )
        for name, chains in iptables.read(text).items()
    }


def difference(asked: Table, told: Table) -> str:
    """What of a table is not as it was asked for, in words; empty if nothing is."""
    if {chain.name for chain in asked.chains} != {chain.name for chain in told.chains}:
        names = ", ".join(sorted(chain.name for chain in told.chains)) or "none"
        return f"its chains are not those that were made (there are: {names})"
    told_hooks = {chain.name: chain.hook for chain in told.chains}
    for chain in asked.chains:
        if not says(chain.hook, told_hooks[chain.name]):
            return f"chain {chain.name} is not where it was made"
        before = [rule for rule in asked.rules if rule.chain == chain.name]
        now = [rule for rule in told.rules if rule.chain == chain.name]
        if len(before) != len(now):
            return f"chain {chain.name} has {len(now)} rules, and {len(before)} were made"
        for number, pair in enumerate(zip(before, now, strict=True), 1):
            if not _is_same(*pair):
                return f"rule {number} of chain {chain.name} was changed"
    return ""


def _by_iptables(message: str) -> dict[tuple[str, str], Table]:
    head, _, text = message.partition("\n")
    verb, family, _ = head.split(" ", 2)
    return listed_tables(family, text) if verb == "make" else {}


def _is_same(asked: Rule, told: Rule) -> bool:
    names = [name for name, _ in asked.expressions]
    return names == [name for name, _ in told.expressions] and all(
        says(data, answer) for (_, data), (_, answer) in zip(asked.expressions, told.expressions, strict=True)
    )
