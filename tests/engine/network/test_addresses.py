"""Addresses by value."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput, NetworkFailure
from engine.network import addresses


def wanted(address, *, subnet="10.5.0.0/24", taken=None, configured=True):
    return addresses.wanted_address(address, subnet, taken or {}, configured=configured)


def test_lowest_free_address_comes_first():
    assert addresses.next_address("172.17.0.0/16", {"172.17.0.1", "172.17.0.2", "172.17.0.4"}) == "172.17.0.3"


def test_lowest_free_address_of_ipv6_comes_first():
    assert addresses.next_address("fd00:5::/64", {"fd00:5::1", "fd00:5::2"}) == "fd00:5::3"


def test_broadcast_address_is_never_leased():
    with pytest.raises(NetworkFailure, match="all are in use"):
        addresses.next_address("10.1.0.0/30", {"10.1.0.1", "10.1.0.2"})


def test_last_address_of_ipv6_is_one_like_others():
    assert addresses.next_address("fd00:5::/126", {"fd00:5::1", "fd00:5::2"}) == "fd00:5::3"


def test_address_is_chosen_of_the_range():
    assert addresses.next_address("10.5.0.0/24", {"10.5.0.128"}, "10.5.0.128/25") == "10.5.0.129"


def test_range_at_the_subnet_s_end_has_no_broadcast_address():
    with pytest.raises(NetworkFailure, match=r"10\.5\.0\.254/31"):
        addresses.next_address("10.5.0.0/24", {"10.5.0.254"}, "10.5.0.254/31")


def test_default_gateway_is_the_first_host():
    gateways = [addresses.default_gateway(subnet) for subnet in ("10.123.0.0/24", "fd00:5::/64")]
    assert gateways == ["10.123.0.1", "fd00:5::1"]


def test_broadcast_address_is_the_last():
    assert addresses.broadcast_address("192.168.16.0/20") == "192.168.31.255"


def test_ipv6_has_no_broadcast_address():
    assert not addresses.broadcast_address("fd00:5::/64")


def test_wanted_address_is_given():
    assert wanted("10.5.0.77") == "10.5.0.77"


def test_wanted_ipv6_address_is_written_as_the_kernel_does():
    assert wanted("FD00:5:0::0077", subnet="fd00:5::/64") == "fd00:5::77"


@pytest.mark.parametrize("address", ["10.6.0.1", "10.4.255.255"])
def test_address_of_another_subnet_is_refused_in_docker_s_words(address):
    with pytest.raises(InvalidInput, match="no configured subnet or ip-range contain the IP address"):
        wanted(address)


@pytest.mark.parametrize("address", ["10.5.0.0", "10.5.0.255"])
def test_address_that_no_host_can_have_is_refused(address):
    with pytest.raises(InvalidInput, match="no host address"):
        wanted(address)


@pytest.mark.parametrize(("address", "kind"), [("10.5.0", "IPv4"), ("fd00:5::x", "IPv6")])
def test_address_that_is_none_is_refused(address, kind):
    with pytest.raises(InvalidInput, match=f"invalid {kind} address: {address}"):
        wanted(address)


@pytest.mark.parametrize("subnet", ["10.5.0.0/24", ""])
def test_address_of_a_network_whose_subnet_nobody_chose_is_refused(subnet):
    with pytest.raises(InvalidInput, match="only when connecting to networks with user configured subnets"):
        wanted("10.5.0.9", subnet=subnet, configured=False)


def test_address_that_is_taken_names_who_has_it():
    with pytest.raises(NetworkFailure, match="Address already in use: web has it"):
        wanted("10.5.0.9", taken={"10.5.0.9": "web"})


@pytest.mark.parametrize(
    ("subnet", "address", "held"),
    [
        ("10.5.0.0/24", "10.5.0.255", True),
        ("10.5.0.0/24", "10.5.1.0", False),
        ("fd00:5::/64", "fd00:5::ffff:0:1", True),
        ("0.0.0.0/0", "::1", False),
    ],
)
def test_subnet_holds_its_addresses(subnet, address, held):
    assert addresses.holds(subnet, address) is held
