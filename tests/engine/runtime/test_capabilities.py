from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.runtime.capabilities import DEFAULT, NUMBERS, capability_bits, capability_names, capability_sets


def test_the_default_is_dockers_fourteen():
    assert capability_bits(capability_names()) == 0x00000000A80425FB


def test_names_may_have_their_prefix_and_any_case():
    assert capability_names(add=("cap_net_admin",)) == DEFAULT | {"NET_ADMIN"}


def test_drop_all_leaves_what_is_added():
    assert capability_names(add=("CHOWN",), drop=("ALL",)) == {"CHOWN"}


def test_add_all_leaves_out_what_is_dropped():
    assert capability_names(add=("ALL",), drop=("SYS_ADMIN",)) == frozenset(NUMBERS) - {"SYS_ADMIN"}


def test_privileged_has_all():
    assert capability_bits(capability_names(privileged=True)) == (1 << 41) - 1


def test_an_unknown_one_is_named():
    with pytest.raises(InvalidInput, match='unknown capability: "CAP_FLY"'):
        capability_names(add=("CAP_FLY",))


def test_nothing_is_inheritable_or_ambient():
    sets = capability_sets(5)
    assert (sets["effective"], sets["inheritable"], sets["ambient"]) == (5, 0, 0)
