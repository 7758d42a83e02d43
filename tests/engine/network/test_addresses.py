"""Subnets and addresses by value."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput, NetworkFailure
from engine.network import addresses

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.0.2.0/24 2 0 1
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
Id 51820:
  +-- 10.8.0.0/16 2 0 2
     |-- 10.8.0.0
        /16 link UNICAST
        /24 link UNICAST
"""


def test_first_subnet_is_docker_s():
    assert addresses.choose_subnet(()) == "172.17.0.0/16"


@pytest.mark.parametrize("taken", ["172.17.0.0/16", "172.17.3.0/24", "172.16.0.0/15", "172.17.200.1"])
def test_subnet_avoids_what_overlaps(taken):
    assert addresses.choose_subnet(["172.16.0.0/16", taken]) == "172.18.0.0/16"


def test_subnets_of_192_168_come_last():
    assert addresses.choose_subnet(["172.16.0.0/12"]) == "192.168.0.0/20"


def test_default_routes_in_disguise_exclude_nothing():
    assert addresses.choose_subnet(["0.0.0.0/1", "128.0.0.0/1"]) == "172.17.0.0/16"


def test_exhausted_pools_say_what_to_do():
    with pytest.raises(NetworkFailure) as caught:
        addresses.choose_subnet(["172.16.0.0/12", "192.168.0.0/16"])
    assert "--subnet" in caught.value.remedy


def test_preferred_subnet_is_kept_while_it_is_free():
    assert addresses.first_free("172.19.0.0/16", ["172.17.0.0/16"]) == "172.19.0.0/16"


def test_preferred_subnet_is_given_up_when_it_is_taken():
    assert addresses.first_free("172.17.0.0/16", ["172.17.4.0/24"]) == "172.18.0.0/16"


def test_lowest_free_address_comes_first():
    assert addresses.next_address("172.17.0.0/16", {"172.17.0.1", "172.17.0.2", "172.17.0.4"}) == "172.17.0.3"


def test_broadcast_address_is_never_leased():
    with pytest.raises(NetworkFailure, match="all are in use"):
        addresses.next_address("10.1.0.0/30", {"10.1.0.1", "10.1.0.2"})


def test_default_gateway_is_the_first_host():
    assert addresses.default_gateway("10.123.0.0/24") == "10.123.0.1"


def test_broadcast_address_is_the_last():
    assert addresses.broadcast_address("192.168.16.0/20") == "192.168.31.255"


def test_asked_subnet_gets_the_first_host_as_gateway():
    assert addresses.check_subnet("10.5.0.0/24", None, ()) == ("10.5.0.0/24", "10.5.0.1")


@pytest.mark.parametrize(
    ("subnet", "gateway"),
    [
        ("10.5.0.1/24", None),
        ("10.5.0.0/31", None),
        ("ten", None),
        ("10.5.0.0/24", "10.6.0.1"),
        ("10.5.0.0/24", "10.5.0.255"),
    ],
)
def test_asked_subnet_that_cannot_be_is_refused(subnet, gateway):
    with pytest.raises(InvalidInput):
        addresses.check_subnet(subnet, gateway, ())


def test_asked_subnet_that_overlaps_names_the_other():
    with pytest.raises(NetworkFailure, match=r"10\.5\.0\.128/25"):
        addresses.check_subnet("10.5.0.0/24", None, ["10.5.0.128/25"])


def test_routes_are_read_from_every_table():
    assert addresses.routes_from_trie(FIB_TRIE) == (
        "192.0.2.0/24",
        "192.0.2.2/32",
        "10.8.0.0/16",
        "10.8.0.0/24",
    )
