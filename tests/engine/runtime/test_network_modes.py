import pytest

from engine.errors import InvalidInput
from engine.options import CreateOptions, EndpointOptions, PortSpec
from engine.runtime.network_modes import check_endpoint, check_networks


def _refusal(network, *endpoints, **fields):
    with pytest.raises(InvalidInput) as caught:
        check_networks(CreateOptions(image="busybox", network=network, endpoints=endpoints, **fields))
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"hostname": "x"}, "hostname and the network mode"),
        ({"dns": ("1.1.1.1",)}, "dns and the network mode"),
        ({"dns_search": ("a",)}, "dns options and the network mode"),
        ({"extra_hosts": ("a:1.1.1.1",)}, "custom host-to-IP mapping and the network mode"),
        (
            {"ports": (PortSpec(container_port=80),)},
            "port publishing and the container type network mode",
        ),
        ({"publish_all": True}, "port publishing and the container type network mode"),
        ({"expose": ("80/tcp",)}, "port exposing and the container type network mode"),
    ],
)
def test_what_is_the_other_containers_cannot_be_asked_for(fields, reason):
    assert _refusal("container:web", **fields) == f"conflicting options: {reason}"


def test_a_container_mode_names_a_container():
    assert _refusal("container:") == "Invalid network mode: invalid container format container:<name|id>"


@pytest.mark.parametrize("network", ["host", "none", "container:web"])
def test_without_an_interface_of_its_own_a_container_has_no_hardware_address(network):
    wish = EndpointOptions(network=network, mac_address="02:42:ac:11:00:02")
    assert _refusal(network, wish) == "conflicting options: mac-address and the network mode"


@pytest.mark.parametrize(("network", "kind"), [("host", "host"), ("container:web", "container")])
def test_links_need_a_network_of_its_own(network, kind):
    assert _refusal(network, EndpointOptions(network=network, links=("a",))) == (
        f"conflicting options: {kind} type networking can't be used with links."
        " This would result in undefined behavior".replace(
            "container type networking", "container type network"
        )
    )


@pytest.mark.parametrize("shared", ["host", "container:web"])
def test_a_shared_namespace_is_all_there_is(shared):
    assert _refusal(shared, EndpointOptions(network=shared), EndpointOptions(network="none")) == (
        "container sharing network namespace with another container or host"
        " cannot be connected to any other network"
    )


def test_none_is_alone():
    assert _refusal("none", EndpointOptions(network="none"), EndpointOptions(network="bridge")) == (
        "container cannot be connected to multiple networks with one of the networks in private (none) mode"
    )


def test_a_users_network_and_a_predefined_one_do_not_go_together():
    assert _refusal("a", EndpointOptions(network="a"), EndpointOptions(network="bridge")) == (
        "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
    )


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"address": "10.1.1.x"}, "invalid IPv4 address: 10.1.1.x"),
        ({"address": "fd00::1"}, "invalid IPv4 address: fd00::1"),
        ({"address6": "10.1.1.1"}, "invalid IPv6 address: 10.1.1.1"),
        ({"link_local": ("10.1.1.1",)}, "invalid link local IP address: 10.1.1.1"),
        ({"link_local": ("fe80::1", "x")}, "invalid link local IP address: x"),
    ],
)
def test_addresses_are_addresses(wish, reason):
    with pytest.raises(InvalidInput) as caught:
        check_endpoint(EndpointOptions(network="a", **wish))
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"address": "10.1.1.1"}, "user specified IP address is supported on user defined networks only"),
        ({"address6": "fd00::1"}, "user specified IP address is supported on user defined networks only"),
        (
            {"aliases": ("web",)},
            "network-scoped alias is supported only for containers in user defined networks",
        ),
    ],
)
def test_a_predefined_network_grants_no_address_and_no_alias(wish, reason):
    with pytest.raises(InvalidInput) as caught:
        check_endpoint(EndpointOptions(network="bridge", **wish))
    assert str(caught.value) == reason


def test_several_networks_with_every_wish_are_allowed():
    check_networks(
        CreateOptions(
            image="busybox",
            network="a",
            endpoints=(
                EndpointOptions(
                    network="a",
                    aliases=("web",),
                    address="10.1.1.1",
                    address6="fd00::1",
                    mac_address="02:42:ac:11:00:02",
                    link_local=("169.254.1.1", "fe80::1"),
                    links=("db:store",),
                ),
                EndpointOptions(network="b"),
            ),
        )
    )
