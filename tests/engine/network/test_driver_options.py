"""Options of drivers by value."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.network.driver_options import (
    BridgeOptions,
    SubinterfaceOptions,
    bridge_options,
    subinterface_options,
)

_BRIDGE = "com.docker.network.bridge."


def test_bridge_without_options_is_docker_s():
    assert bridge_options({}) == BridgeOptions(icc=True, masquerade=True, gateway_mode="nat")


def test_all_options_of_a_bridge_are_read():
    options = {
        _BRIDGE + "name": "lan0",
        _BRIDGE + "enable_icc": "false",
        _BRIDGE + "enable_ip_masquerade": "0",
        _BRIDGE + "host_binding_ipv4": "127.0.0.1",
        _BRIDGE + "gateway_mode_ipv4": "routed",
        _BRIDGE + "gateway_mode_ipv6": "nat-unprotected",
        _BRIDGE + "inhibit_ipv4": "T",
        _BRIDGE + "trusted_host_interfaces": "vpn0:vpn1",
        "com.docker.network.host_ipv4": "192.0.2.1",
        "com.docker.network.host_ipv6": "2001:DB8::1",
        "com.docker.network.driver.mtu": "9000",
        "com.docker.network.container_iface_prefix": "lan",
    }
    assert bridge_options(options) == BridgeOptions(
        name="lan0",
        icc=False,
        masquerade=False,
        host_binding="127.0.0.1",
        gateway_mode="routed",
        gateway_mode6="nat-unprotected",
        inhibit_ipv4=True,
        trusted=("vpn0", "vpn1"),
        source="192.0.2.1",
        source6="2001:db8::1",
        mtu=9000,
        interface_prefix="lan",
    )


def test_options_that_no_driver_knows_mean_nothing():
    assert bridge_options({"foo": "bar"}) == BridgeOptions()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {_BRIDGE + "enable_icc": "maybe"},
            (
                "failed to parse com.docker.network.bridge.enable_icc value: maybe"
                ' (strconv.ParseBool: parsing "maybe": invalid syntax)'
            ),
        ),
        (
            {"com.docker.network.driver.mtu": "foo"},
            (
                "failed to parse com.docker.network.driver.mtu value: foo"
                ' (strconv.Atoi: parsing "foo": invalid syntax)'
            ),
        ),
        ({"com.docker.network.driver.mtu": "-5"}, "invalid MTU number: -5"),
        (
            {_BRIDGE + "host_binding_ipv4": "foo"},
            "failed to parse com.docker.network.bridge.host_binding_ipv4 value: foo (nil ip)",
        ),
        ({_BRIDGE + "name": "a" * 16}, "15 characters"),
        ({_BRIDGE + "name": "a/b"}, "15 characters"),
        ({_BRIDGE + "gateway_mode_ipv4": "open"}, "unknown gateway mode open"),
        ({_BRIDGE + "gateway_mode_ipv6": "isolated"}, "can only be used for an internal network"),
        ({_BRIDGE + "default_bridge": "true"}, "default bridge"),
        ({"com.docker.network.container_iface_prefix": "a b"}, "container_iface_prefix"),
    ],
)
def test_value_that_cannot_be_is_refused_in_docker_s_words(options, words):
    with pytest.raises(InvalidInput) as caught:
        bridge_options(options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("driver", "options", "meaning"),
    [
        ("macvlan", {}, SubinterfaceOptions(mode="bridge")),
        (
            "macvlan",
            {"parent": "eth0.50", "macvlan_mode": "vepa", "com.docker.network.driver.mtu": "1400"},
            SubinterfaceOptions(parent="eth0.50", mode="vepa", mtu=1400),
        ),
        ("ipvlan", {}, SubinterfaceOptions(mode="l2", flag="bridge")),
        (
            "ipvlan",
            {"ipvlan_mode": "l3s", "ipvlan_flag": "private"},
            SubinterfaceOptions(mode="l3s", flag="private"),
        ),
    ],
)
def test_options_of_subinterfaces_are_read(driver, options, meaning):
    assert subinterface_options(driver, options) == meaning


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        (
            "macvlan",
            {"macvlan_mode": "foo"},
            "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
        ),
        (
            "ipvlan",
            {"ipvlan_mode": "foo"},
            "requested ipvlan mode 'foo' is not valid, 'l2' mode is the ipvlan driver default",
        ),
        ("ipvlan", {"ipvlan_flag": "foo"}, "requested ipvlan flag 'foo' is not valid"),
    ],
)
def test_mode_that_a_driver_does_not_have_is_refused(driver, options, words):
    with pytest.raises(InvalidInput) as caught:
        subinterface_options(driver, options)
    assert words in str(caught.value)
