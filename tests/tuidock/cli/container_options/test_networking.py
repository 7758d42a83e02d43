import pytest

from engine.options import EndpointOptions
from tuidock.cli.command import Invocation, SpecError
from tuidock.cli.container_options import CONTAINER_FLAGS, create_options
from tuidock.cli.flags import UsageError, parse


def options(*argv):
    parsed = parse([*argv, "busybox"], CONTAINER_FLAGS, interspersed=False)
    return create_options(
        Invocation(spelling="run", values=parsed.values, given=parsed.given, arguments=parsed.arguments)
    )


def networks(*argv):
    found = options(*argv)
    return found.network, found.endpoints


@pytest.mark.parametrize(
    ("argv", "network"),
    [
        ((), "bridge"),
        (("--network", "default"), "bridge"),
        (("--network", "name=default"), "bridge"),
        (("--net", "host"), "host"),
        (("--network=container:web",), "container:web"),
        (("--network", "back-end"), "back-end"),
    ],
)
def test_one_network_without_wishes_is_its_name_alone(argv, network):
    assert networks(*argv) == (network, ())


def test_the_first_network_is_the_mode_and_all_are_endpoints():
    assert networks("--network", "a", "--network", "b") == (
        "a",
        (EndpointOptions(network="a"), EndpointOptions(network="b")),
    )


def test_every_wish_of_the_advanced_syntax():
    field = (
        "name=a,alias=x,alias=y,ip=10.0.0.9,ip6=fd00::9,mac-address=02-42-AC-11-00-02,"
        "link-local-ip=169.254.1.1,driver-opt=k=v,driver-opt=l=w,gw-priority=-3"
    )
    assert networks("--network", field) == (
        "a",
        (
            EndpointOptions(
                network="a",
                aliases=("x", "y"),
                address="10.0.0.9",
                address6="fd00::9",
                mac_address="02:42:ac:11:00:02",
                link_local=("169.254.1.1",),
                driver_options={"k": "v", "l": "w"},
                gateway_priority=-3,
            ),
        ),
    )


def test_plain_flags_are_for_the_first_network():
    argv = (
        *("--network", "a", "--network", "b", "--ip", "10.0.0.9", "--ip6", "fd00::9"),
        *("--network-alias", "x", "--net-alias", "y", "--link", "db:store"),
        *("--link-local-ip", "169.254.1.1", "--mac-address", "0242.ac11.0002"),
    )
    assert networks(*argv)[1] == (
        EndpointOptions(
            network="a",
            aliases=("x", "y"),
            address="10.0.0.9",
            address6="fd00::9",
            mac_address="02:42:ac:11:00:02",
            link_local=("169.254.1.1",),
            links=("db:store",),
        ),
        EndpointOptions(network="b"),
    )


def test_links_are_for_the_default_network_too():
    assert networks("--link", "db") == ("bridge", (EndpointOptions(network="bridge", links=("db",)),))


def test_names_are_collected():
    found = options(
        *("--dns", "9.9.9.9", "--dns-search", "a.b.", "--dns-search", "."),
        *("--dns-opt", "ndots:2", "--dns-option", "rotate", "--add-host", "db=10.0.0.1"),
    )
    assert (found.dns, found.dns_search, found.dns_options, found.extra_hosts) == (
        ("9.9.9.9",),
        ("a.b", "."),
        ("ndots:2", "rotate"),
        ("db:10.0.0.1",),
    )


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("--network", ""), "no name set for network"),
        (("--network", " "), "no name set for network"),
        (("--network-alias", "x"), "network-scoped aliases are only supported for user-defined networks"),
        (
            ("--network", "container:a", "--network-alias", "x"),
            "network-scoped aliases are only supported for user-defined networks",
        ),
        (("--mac-address", "zz"), "zz is not a valid mac address"),
        (("--network", "name=a,mac-address=zz"), "zz is not a valid mac address"),
        (
            ("--network", "name=a,alias=x", "--network-alias", "y"),
            "conflicting options: cannot specify both --network-alias and per-network alias",
        ),
        (
            ("--network", "name=a,ip=10.0.0.1", "--ip", "10.0.0.1"),
            "conflicting options: cannot specify both --ip and per-network IPv4 address",
        ),
        (
            ("--network", "name=a,ip6=::1", "--ip6", "::1"),
            "conflicting options: cannot specify both --ip6 and per-network IPv6 address",
        ),
        (
            ("--network", "name=a,mac-address=02:42:ac:11:00:02", "--mac-address", "02:42:ac:11:00:02"),
            "conflicting options: cannot specify both --mac-address and per-network MAC address",
        ),
        (
            ("--network", "name=a,link-local-ip=169.254.1.1", "--link-local-ip", "169.254.1.1"),
            "conflicting options: cannot specify both --link-local-ip and per-network link-local IP addresses",
        ),
        (("--network", "a", "--network", "a"), 'network "a" is specified multiple times'),
        (
            ("--network", "a", "--network", "bridge"),
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
        ),
    ],
)
def test_contradictions_are_refused_in_dockers_words(argv, reason):
    with pytest.raises(SpecError) as caught:
        options(*argv)
    assert caught.value.message == reason


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("network", "name=a,bar=1", "invalid field key bar"),
        ("network", "name=a,bar", "invalid field bar"),
        ("network", "alias=x", "network name/id is not specified"),
        ("network", "a,alias=x", "invalid field a"),
        ("network", "name=a,driver-opt=x", "invalid key value pair format in driver options"),
        ("network", "name=a,gw-priority=x", "invalid gw-priority (x): invalid syntax"),
        (
            "network",
            "name=a,gw-priority=99999999999999999999",
            "invalid gw-priority (99999999999999999999): value out of range",
        ),
        ("dns-search", "a b", "a b is not a valid domain"),
        ("dns-search", "bad..name", "bad..name is not a valid domain"),
        ("dns-search", "1.1.1.1", "1.1.1.1 is not a valid domain"),
        ("link", "", "empty string specified for links"),
        ("link", "a:b:c", "bad format for links: a:b:c"),
    ],
)
def test_a_wrong_value_is_named_with_its_flag(flag, value, reason):
    with pytest.raises(UsageError) as caught:
        options(f"--{flag}", value)
    assert caught.value.message == f'invalid argument "{value}" for "--{flag}" flag: {reason}'


def test_a_quoted_field_may_hold_commas():
    assert networks("--network", 'name=a,"driver-opt=k=v,w"')[1][0].driver_options == {"k": "v,w"}
