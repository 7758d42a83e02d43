import pytest

from engine.options import EndpointOptions
from tuidock.cli.command import CannotStart, Invocation
from tuidock.cli.commands import connections
from tuidock.cli.flags import parse


def _invocation(*argv):
    parsed = parse(list(argv), connections.CONNECT.flags)
    return Invocation(
        spelling="network connect", values=parsed.values, given=parsed.given, arguments=parsed.arguments
    )


def test_a_network_alone_leaves_the_rest_to_the_engine():
    assert connections.endpoint_options(_invocation("a", "web")) == EndpointOptions(network="a")


def test_every_flag_of_connect():
    invocation = _invocation(
        *("--alias", "x,y", "--alias", "z", "--ip", "10.0.0.9", "--ip6", "fd00::9", "--link", "db:store"),
        *("--link-local-ip", "169.254.1.1,fe80::1", "--driver-opt", "k=v", "--gw-priority", "-3"),
        *("a", "web"),
    )
    assert connections.endpoint_options(invocation) == EndpointOptions(
        network="a",
        aliases=("x", "y", "z"),
        address="10.0.0.9",
        address6="fd00::9",
        links=("db:store",),
        link_local=("169.254.1.1", "fe80::1"),
        driver_options={"k": "v"},
        gateway_priority=-3,
    )


def test_a_driver_option_is_a_pair():
    with pytest.raises(CannotStart, match=r"^invalid key/value pair format in driver options$"):
        connections.CONNECT.check(_invocation("--driver-opt", "x", "a", "web"))
