"""Tables as they were asked for, read from the very messages, compared with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from engine.network.plan.bridges import bridge_tables_plan
from engine.network.plan.operations import DeleteTable
from engine.network.plan.published import published_plan
from engine.network.ruleset import Table, asked_tables, difference
from engine.network.template import Templates
from engine.records import Network, PortBinding

if TYPE_CHECKING:
    from pathlib import Path

BRIDGE = bridge_tables_plan(
    Network(
        id="ab", name="x", driver="bridge", created=1, subnet="10.7.0.0/24", gateway="10.7.0.1", bridge="br-x"
    )
)
PORT = PortBinding(container_port=80, host_port=8080, host_ip="", protocol="tcp")
KEY = ("ip", "tuidock-br-x")


@pytest.fixture
def templates(tmp_path: Path) -> Templates:
    return Templates(str(tmp_path))


@pytest.fixture
def table(templates: Templates) -> Table:
    return asked_tables(templates.items(BRIDGE))[KEY]


def test_tables_are_read_from_their_messages(templates: Templates) -> None:
    both = templates.items((*BRIDGE, *published_plan("tuidock-abc", "10.7.0.2", (PORT,))))
    found = asked_tables(both)
    assert {key: (len(table.chains), len(table.rules)) for key, table in found.items()} == {
        KEY: (3, sum(type(one).__name__ == "AddRule" for one in BRIDGE)),
        ("ip", "tuidock-abc"): (2, 2),
    }


def test_a_table_that_is_deleted_is_not_asked_for(templates: Templates) -> None:
    assert asked_tables(templates.items((*BRIDGE, DeleteTable("tuidock-br-x")))) == {}


def test_a_table_is_as_it_was_made(table: Table) -> None:
    assert difference(table, table) == ""


def test_a_missing_rule_is_told(table: Table) -> None:
    less = msgspec.structs.replace(table, rules=table.rules[1:])
    assert difference(table, less) == "chain prerouting has 1 rules, and 2 were made"


def test_a_changed_rule_is_told(table: Table) -> None:
    first, second, *rest = table.rules
    swapped = msgspec.structs.replace(table, rules=(second, first, *rest))
    assert difference(table, swapped) == "rule 1 of chain prerouting was changed"


def test_a_missing_chain_is_told(table: Table) -> None:
    less = msgspec.structs.replace(table, chains=table.chains[:2])
    assert (
        difference(table, less) == "its chains are not those that were made (there are: forward, prerouting)"
    )


def test_a_chain_at_another_place_is_told(table: Table, templates: Templates) -> None:
    other = asked_tables(templates.items(published_plan("t", "10.7.0.2", (PORT,))))["ip", "t"]
    moved = msgspec.structs.replace(table, chains=(other.chains[0], *table.chains[1:]))
    assert difference(table, moved) == "chain prerouting is not where it was made"
