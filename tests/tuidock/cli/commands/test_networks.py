import pytest

from engine.options import CreateNetworkOptions
from tuidock.cli.command import CannotStart, Invocation
from tuidock.cli.commands import networks
from tuidock.cli.flags import parse


def _invocation(*argv):
    parsed = parse(list(argv), networks.CREATE.flags)
    return Invocation(
        spelling="network create", values=parsed.values, given=parsed.given, arguments=parsed.arguments
    )


def test_a_name_alone_leaves_the_rest_to_the_engine():
    assert networks.network_options(_invocation("a")) == CreateNetworkOptions(name="a")


def test_every_flag_of_create():
    invocation = _invocation(
        *("-d", "macvlan", "-o", "parent=eth0", "--opt", "bare", "--subnet", "10.2.0.0/24,fd00::/64"),
        *("--gateway", "10.2.0.1", "--gateway", "fd00::1", "--ip-range", "10.2.0.0/28"),
        *("--aux-address", "router=10.2.0.5", "--ipam-opt", "k=v", "--label", "l=w", "--label", "m"),
        *("--ipv4=false", "--ipv6", "--internal", "--attachable", "--scope", "local", "a"),
    )
    networks.CREATE.check(invocation)
    assert networks.network_options(invocation) == CreateNetworkOptions(
        name="a",
        driver="macvlan",
        subnets=("10.2.0.0/24", "fd00::/64"),
        gateways=("10.2.0.1", "fd00::1"),
        ip_ranges=("10.2.0.0/28",),
        auxiliary={"router": "10.2.0.5"},
        ipv4=False,
        ipv6=True,
        internal=True,
        attachable=True,
        options={"parent": "eth0", "bare": ""},
        ipam_options={"k": "v"},
        labels={"l": "w", "m": ""},
    )


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("--ingress",), "--ingress is for the networks of a swarm, which tuidock does not have"),
        (("--config-only",), "--config-only is for the networks of a swarm, which tuidock does not have"),
        (
            ("--config-from", "x"),
            "--config-from is for the networks of a swarm, which tuidock does not have",
        ),
        (("--scope", "swarm"), "--scope swarm: tuidock has networks of this host (local) only"),
        (("--ipam-driver", "x"), 'plugin "x" not found'),
        (("--gateway", "10.2.0.1"), "every ip-range or gateway must have a corresponding subnet"),
    ],
)
def test_what_cannot_be_is_refused_before_the_engine_opens(argv, reason):
    with pytest.raises(CannotStart) as caught:
        networks.CREATE.check(_invocation(*argv, "a"))
    assert caught.value.message == reason
