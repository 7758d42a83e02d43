"""Parents of macvlan and ipvlan networks, as far as nothing is made."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.network import parent


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lo", "loopback interface is not a valid macvlan parent link"),
        ("nope0", "invalid subinterface vlan name nope0, example formatting is eth0.10"),
        ("nope0.x", "invalid subinterface vlan name nope0.x, example formatting is eth0.10"),
        ("nope0.7", "failed to find master interface nope0"),
        ("lo.4095", "vlan id must be between 1-4094, received: 4095"),
    ],
)
def test_parent_that_cannot_be_is_refused_in_docker_s_words(name: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parent.check("macvlan", name)
    assert words in str(caught.value)
