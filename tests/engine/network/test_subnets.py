"""Subnets by value."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput, NetworkFailure
from engine.network import subnets
from engine.network.subnets import Subnets, Taken
from engine.options import CreateNetworkOptions

SEED = b"\x12\x34\x56\x78\x9a\xbc"


def made(taken=None, **options):
    return subnets.to_subnets(CreateNetworkOptions(name="x", **options), taken or Taken(), SEED)


def test_first_subnet_is_docker_s():
    assert subnets.choose_subnet(()) == "172.17.0.0/16"


@pytest.mark.parametrize("taken", ["172.17.0.0/16", "172.17.3.0/24", "172.16.0.0/15", "172.17.200.1"])
def test_subnet_avoids_what_overlaps(taken):
    assert subnets.choose_subnet(["172.16.0.0/16", taken]) == "172.18.0.0/16"


def test_subnets_of_192_168_come_last():
    assert subnets.choose_subnet(["172.16.0.0/12"]) == "192.168.0.0/20"


def test_default_routes_in_disguise_exclude_nothing():
    assert subnets.choose_subnet(["0.0.0.0/1", "128.0.0.0/1", "::/1"]) == "172.17.0.0/16"


def test_exhausted_pools_say_what_to_do():
    with pytest.raises(NetworkFailure) as caught:
        subnets.choose_subnet(["172.16.0.0/12", "192.168.0.0/16"])
    assert "--subnet" in caught.value.remedy


def test_ipv6_subnet_is_the_host_s_own_and_free():
    taken = ["fd12:3456:789a::/64", "2000::/3", "10.0.0.0/8"]
    assert subnets.choose_subnet6(taken, SEED) == "fd12:3456:789a:1::/64"


def test_exhausted_ipv6_subnets_say_what_to_do():
    with pytest.raises(NetworkFailure) as caught:
        subnets.choose_subnet6(["fd00::/8"], SEED)
    assert "--subnet" in caught.value.remedy


def test_preferred_subnet_is_kept_while_it_is_free():
    assert subnets.first_free("172.19.0.0/16", ["172.17.0.0/16"]) == "172.19.0.0/16"


def test_preferred_subnet_is_given_up_when_it_is_taken():
    assert subnets.first_free("172.17.0.0/16", ["172.17.4.0/24"]) == "172.18.0.0/16"


def test_network_without_wishes_gets_a_subnet_of_ipv4():
    assert made() == Subnets(subnet="172.17.0.0/16", gateway="172.17.0.1")


def test_network_of_ipv6_alone_gets_one_of_that():
    assert made(ipv4=False, ipv6=True) == Subnets(subnet6="fd12:3456:789a::/64", gateway6="fd12:3456:789a::1")


def test_everything_that_is_asked_for_is_sorted_by_subnet():
    assert made(
        ipv6=True,
        subnets=("fd00:5::/64", "10.5.0.0/24"),
        gateways=("10.5.0.254", "fd00:5::fe"),
        ip_ranges=("fd00:5::1:0/112", "10.5.0.130/25"),
        auxiliary={"router": "10.5.0.9", "other": "FD00:5::9"},
    ) == Subnets(
        subnet="10.5.0.0/24",
        gateway="10.5.0.254",
        ip_range="10.5.0.128/25",
        subnet6="fd00:5::/64",
        gateway6="fd00:5::fe",
        ip_range6="fd00:5::1:0/112",
        auxiliary={"router": "10.5.0.9", "other": "fd00:5::9"},
        configured=True,
    )


def test_gateway_is_the_first_host_that_has_no_other_purpose():
    assert made(subnets=("10.5.0.0/24",), auxiliary={"router": "10.5.0.1"}).gateway == "10.5.0.2"


def test_gateway_is_of_the_range_as_docker_has_it():
    assert made(subnets=("10.5.0.0/24",), ip_ranges=("10.5.0.128/25",)).gateway == "10.5.0.128"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subnets": ("nonsense",)}, "invalid CIDR address: nonsense"),
        ({"subnets": ("10.5.0.0",)}, "invalid CIDR address: 10.5.0.0"),
        ({"subnets": ("10.5.0.1/24",)}, "invalid subnet 10.5.0.1/24: it should be 10.5.0.0/24"),
        ({"subnets": ("10.5.0.0/31",)}, "no room for a container"),
        ({"subnets": ("224.0.0.0/24",)}, "no interface can have"),
        ({"subnets": ("10.5.0.0/24", "10.6.0.0/24")}, "bridge driver doesn't support multiple subnets"),
        ({"subnets": ("10.5.0.0/24", "10.5.0.0/25")}, "multiple overlapping subnet configuration"),
        ({"subnets": ("fd00:5::/64",)}, "IPv6 is not enabled"),
        ({"subnets": ("10.5.0.0/24",), "ipv4": False, "ipv6": True}, "IPv4 is not enabled"),
        ({"ipv4": False}, "IPv4 or IPv6 must be enabled"),
        ({"gateways": ("10.5.0.1",)}, "every ip-range or gateway must have a corresponding subnet"),
        ({"ip_ranges": ("10.5.0.0/25",)}, "every ip-range or gateway must have a corresponding subnet"),
        ({"subnets": ("10.5.0.0/24",), "gateways": ("10.6.0.1",)}, "no matching subnet for gateway 10.6.0.1"),
        ({"subnets": ("10.5.0.0/24",), "gateways": ("ten",)}, "no matching subnet for gateway ten"),
        ({"subnets": ("10.5.0.0/24",), "gateways": ("10.5.0.1", "10.5.0.2")}, "multiple gateways"),
        ({"subnets": ("10.5.0.0/24",), "gateways": ("10.5.0.255",)}, "failed to allocate gateway"),
        (
            {"subnets": ("10.5.0.0/24",), "ip_ranges": ("10.6.0.0/25",)},
            "no matching subnet for range 10.6.0.0/25",
        ),
        (
            {"subnets": ("10.5.0.0/24",), "ip_ranges": ("10.5.0.0/16",)},
            "CIDR block is bigger than its parent",
        ),
        ({"subnets": ("10.5.0.0/16",), "ip_ranges": ("10.5.0.0/8",)}, "no matching subnet for range"),
        ({"auxiliary": {"x": "10.6.0.1"}}, "no matching subnet for aux-address 10.6.0.1"),
        (
            {"subnets": ("10.5.0.0/24",), "gateways": ("10.5.0.9",), "auxiliary": {"x": "10.5.0.9"}},
            "failed to allocate secondary ip address",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_docker_s_words(options, words):
    with pytest.raises(InvalidInput) as caught:
        made(**options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "taken",
    [
        Taken(networks=("10.0.0.0/8",)),
        Taken(connected=("10.5.0.128/25",)),
        Taken(connected=("10.0.0.0/9",)),
        Taken(routes=("10.5.0.77",)),
    ],
)
def test_asked_subnet_that_overlaps_names_the_other(taken):
    (other,) = (*taken.networks, *taken.connected, *taken.routes)
    with pytest.raises(NetworkFailure) as caught:
        made(taken, subnets=("10.5.0.0/24",))
    assert f"Pool overlaps with other one on this address space: {other}" in str(caught.value)


def test_asked_subnet_may_be_part_of_what_a_router_leads_to():
    assert made(Taken(routes=("10.0.0.0/8",)), subnets=("10.5.0.0/24",)).subnet == "10.5.0.0/24"
