"""Owns the bundle's ``network.firewall``: what has to be there while a container runs; sends nothing."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from engine.network.attributes import attributes, value_of
from engine.network.plan import bridges
from engine.network.plan import operations as ops
from engine.network.plan.foreign import foreign_plan
from engine.network.template import IPTABLES
from engine.shim.netlink_send import messages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.network.plan.foreign import ForeignPlan
    from engine.network.template import Templates
    from engine.records import Network

_NFGEN_SIZE = 4
_NEWRULE = 0xA06
_RULE_EXPRESSIONS = 4


def firewall(
    templates: Templates, networks: Iterable[Network], host: ops.Operations, uplinks: tuple[str, ...] = ()
) -> dict[str, Any]:
    """For a container in ``networks`` whose ends are made by ``host``: see docs/BUNDLE.md.

    ``uplinks`` are the interfaces that a default route leaves by.
    """
    return {
        "bridges": [
            bridge_firewall(templates, network, uplinks)
            for network in networks
            if network.driver == "bridge" and network.bridge
        ],
        "tables": watched_tables(templates, host),
    }


def bridge_firewall(templates: Templates, network: Network, uplinks: tuple[str, ...] = ()) -> dict[str, Any]:
    """What belongs to the bridge of ``network``, and goes with its last container."""
    families = bridges.table_families(network)
    plan = foreign_plan(network.bridge, families, internal=network.internal, uplinks=uplinks)
    return {
        "bridge": network.bridge,
        "tables": watched_tables(templates, bridges.bridge_tables_plan(network)),
        "foreign": foreign_rules(templates, plan),
    }


def watched_tables(templates: Templates, operations: ops.Operations) -> list[dict[str, Any]]:
    """For each table that ``operations`` make: how it is found, made once more, and removed."""
    made: dict[tuple[str, str], list[ops.Operation]] = {}
    for operation in operations:
        if isinstance(operation, ops.AddTable | ops.ReplaceTable):
            made[operation.family, operation.name] = [ops.AddTable(operation.name, operation.family)]
        elif isinstance(operation, ops.AddChain | ops.AddRule):
            made[operation.family, operation.table].append(operation)
    return [
        table
        for (family, name), parts in made.items()
        if (table := _watched(templates, name, family, parts)) is not None
    ]


def _watched(
    templates: Templates, name: str, family: str, parts: list[ops.Operation]
) -> dict[str, Any] | None:
    """None where this host has no filter of the family."""
    make = templates.items(tuple(parts))
    if not make:
        return None
    [find] = templates.items((ops.FindTable(name, family),))
    if make[0].family == IPTABLES:  # anybody's flush leaves a half of it
        from engine.network.filtering import iptables_find

        find = iptables_find(make[0])
    [remove] = templates.items((ops.DeleteTable(name, family),))
    told: dict[str, Any] = msgspec.to_builtins({"find": find, "make": make, "remove": remove})
    return {"name": name, "family": family, **told}


def foreign_rules(templates: Templates, plan: ForeignPlan) -> dict[str, Any]:
    """A plan of rules in others' chains, as the bundle has it."""
    return {
        "mark": plan.mark,
        "docker": [list(rule) for rule in plan.docker],
        "forward": [list(rule) for rule in plan.forward],
        "expressions": [base64.b64encode(one).decode() for one in _expressions(templates, plan.rules)],
        "families": list(plan.families),
    }


def _expressions(templates: Templates, rules: ops.Operations) -> list[bytes]:
    """The bytes of each rule's expressions, which are the same whichever chain it is put into."""
    [item] = templates.netlink_items(rules)
    contents = (content for kind, _, content in messages(base64.b64decode(item.message)) if kind == _NEWRULE)
    return [value_of(_RULE_EXPRESSIONS, attributes(content[_NFGEN_SIZE:])) for content in contents]
